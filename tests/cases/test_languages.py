"""The language of a message shows, or nothing is said of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.languages import detect

#: What real people asked: rows of Banking77, NLU++ and CLINC150 (see NOTICE).
ENGLISH = """
it seems i can't use my card since it has been damaged
i would like to replace the pin number for my retirement account
what are those european plugs called
can i safely travel to brazil
how can you assist me
am i speaking with ai or a real, live person
i would like a block put on my chase account asap
when will my application for my credit card be processed
call my bank customer service number
where can i get my tires checked and how can i schedule it
why can't i log into my bank account
tell me the reason there is a hold or block on my account
My identity verification is not working.
I want to change the wrong exchange rate.
Can I get a new pin number at any ATM using my card?
Am I charged if I make a top-up?
I have a disposable card but it does not work?
What is this card payment, I do not recognize it.
I would like to cancel a purchase.
There was an unexpected fee for my cash withdrawal!
Does my account have the option to hold multiple currencies?
What is the maximum transactions for one disposable card?
Do I have to change my PIN at a bank?
What are the restrictions on the virtual cards?
i don't know those details
what are the cost of moving money overseas?
Do you charge extra for cash withdrawals outside the EU?
Just put it on my business account, please.
I demand a refund, put me through with a real person!
no, I just want to get rid of that account for good
I wanted to activate my card, it just arrived
this conversation is not working at all
how can i be eligible to take a loan in your bank?
any room free this evening already?
What time will the room be ready?
confirm room booking under charis
is it possible to reserve a treadmill in the gym?
I can't get online on the hotel wifi.
I am still waiting for the refund of the room i cancelled
Hi, got a question about the room service menu
"""
MESSAGES = {
    "de": """
        Mir wurde derselbe Betrag zweimal abgebucht, bitte erstatten Sie ihn.
        Ich komme nicht mehr in mein Konto.
        Warum steht die Zahlung doppelt auf meiner Abrechnung?
        Hallo, ich habe mein Passwort vergessen und die Mail kommt nicht an.
        Ich möchte mein Abo kündigen und das Geld zurück.
        Wo bleibt meine Rückerstattung vom letzten Monat?
        Die Abbuchung vom Dienstag kenne ich nicht.
        Koennen Sie bitte pruefen, warum das Konto gesperrt ist?
        Das ist jetzt schon das dritte Mal, dass ich schreibe!!
        guten tag, die app geht nicht auf und ich kann nichts bestellen
        Ich war das nicht, jemand hat meine Karte benutzt.
        Vielen Dank für die schnelle Hilfe.""",
    "fr": """
        J'ai été débité deux fois pour la même commande.
        Je n'arrive plus à me connecter à mon compte.
        Pouvez-vous me rembourser le deuxième paiement s'il vous plaît ?
        bonjour jai oublie mon mot de passe et je ne recois pas le mail
        Je ne reconnais pas ce prélèvement sur mon relevé.
        Où en est le remboursement que j'ai demandé la semaine dernière ?
        Mon compte est bloqué, que dois-je faire ?
        Ce n'est pas moi qui ai fait cet achat.
        C'est la troisième fois que je vous écris à ce sujet !
        Je voudrais résilier mon abonnement et récupérer mon argent.
        Le colis n'est jamais arrivé et on m'a quand même fait payer.
        Merci pour votre aide.""",
    "es": """
        Me han cobrado dos veces la misma compra.
        No puedo entrar en mi cuenta.
        ¿Pueden devolverme el segundo cargo, por favor?
        hola olvide mi contraseña y no me llega el correo
        No reconozco este cargo en mi tarjeta.
        ¿Dónde está el reembolso que pedí la semana pasada?
        Mi cuenta está bloqueada y no sé por qué.
        Yo no hice esta compra, alguien usó mi tarjeta.
        Es la tercera vez que les escribo sobre lo mismo.
        Quiero cancelar la suscripción y que me devuelvan el dinero.
        El paquete no ha llegado y ya está pagado.
        Muchas gracias por la ayuda.""",
    "it": """
        Mi è stato addebitato due volte lo stesso importo.
        Non riesco più ad accedere al mio account.
        Potete rimborsarmi il secondo pagamento per favore?
        ciao ho dimenticato la password e la mail non arriva
        Non riconosco questo addebito sulla mia carta.
        Dov'è il rimborso che ho chiesto la settimana scorsa?
        Il mio account è bloccato e non so perché.
        Non ho fatto io questo acquisto, qualcuno ha usato la mia carta.
        È la terza volta che vi scrivo per lo stesso problema.
        Vorrei disdire l'abbonamento e avere indietro i soldi.
        Il pacco non è arrivato ma ho già pagato.
        Grazie mille per il vostro aiuto.""",
    "pt": """
        Fui cobrado duas vezes pela mesma compra.
        Não consigo entrar na minha conta.
        Podem devolver o segundo pagamento, por favor?
        ola esqueci a minha senha e o email nao chega
        Não reconheço esta cobrança no meu cartão.
        Onde está o reembolso que pedi na semana passada?
        A minha conta está bloqueada e não sei porquê.
        Não fui eu que fiz esta compra, alguém usou o meu cartão.
        É a terceira vez que escrevo sobre isto.
        Quero cancelar a assinatura e receber o dinheiro de volta.
        A encomenda não chegou mas já foi paga.
        Muito obrigado pela ajuda.""",
    "nl": """
        Er is twee keer hetzelfde bedrag van mijn rekening gehaald.
        Ik kan niet meer inloggen op mijn account.
        Kunt u de tweede betaling terugstorten alstublieft?
        hallo ik ben mijn wachtwoord vergeten en de mail komt niet aan
        Ik herken deze afschrijving niet.
        Waar blijft de terugbetaling die ik vorige week heb gevraagd?
        Mijn account is geblokkeerd en ik weet niet waarom.
        Ik heb deze aankoop niet gedaan, iemand heeft mijn kaart gebruikt.
        Dit is al de derde keer dat ik jullie schrijf!
        Ik wil mijn abonnement opzeggen en mijn geld terug.
        Het pakket is niet aangekomen maar er is wel betaald.
        Bedankt voor de snelle hulp.""",
    "ja": "二重に請求されました。\n返金してください\nログインできません\niPhoneアプリが動かない",
    "zh": "我被收了两次钱，请退款。\n登录不了我的账户\n這筆款項我不認識\n忘记密码了",
    "ko": "결제가 두 번 되었어요.\n환불해 주세요\n로그인할 수 없습니다\n비밀번호를 잊었어요",
    "ar": "تم خصم المبلغ مرتين\nأريد استرداد أموالي\nلا أستطيع الدخول إلى حسابي\nنسيت كلمة المرور",
    "he": "חויבתי פעמיים\nאני רוצה החזר כספי\nאני לא מצליח להיכנס לחשבון\nשכחתי את הסיסמה",
    "ru": "С меня дважды списали деньги.\nВерните деньги\nНе могу войти в аккаунт\nЗабыл пароль",
    "uk": "З мене двічі зняли гроші.\nПоверніть мої кошти\nНе можу увійти в обліковий запис",
    "el": "Χρεώθηκα δύο φορές.\nΘέλω τα χρήματά μου πίσω\nΔεν μπορώ να συνδεθώ",
    "th": "ถูกเรียกเก็บเงินสองครั้ง\nขอคืนเงิน\nเข้าสู่ระบบไม่ได้",
    "hi": "मुझसे दो बार पैसे काटे गए।\nमुझे पैसे वापस चाहिए\nमैं लॉग इन नहीं कर पा रहा हूँ",
}
SPOKEN = [
    (code, line.strip()) for code, lines in MESSAGES.items() for line in lines.strip().splitlines()
]
UNSURE = [
    *("", "   ", "ok", "refund", "49.99 USD", "???", "😡😡", "ch_2 ch_3", "Hotel Berlin", "merci"),
    *("refund Rückerstattung", "Zostałem obciążony dwa razy, proszę o zwrot.", "Am uitat parola"),
    "Krakow to Gdansk, Poznan to Lublin, Szczecin, Katowice, Torun",
    *("Pecuniam tibi cras reddemus.", "Vi betalar tillbaka alla pengar i morgon.", "a o e"),
    *(
        "Jag kan inte logga in.",
        "پولم را پس بدهید",
        "Двапут сте ми наплатили, вратите новац, љубазно",
    ),
]


def test_nearly_all_that_english_people_write_is_english_and_nothing_else() -> None:
    found = [detect(line) for line in ENGLISH.strip().splitlines()]

    assert len(found) == 40
    assert set(found) <= {"en", None}
    assert found.count("en") >= 38


@pytest.mark.parametrize(("code", "text"), SPOKEN)
def test_a_message_in_another_language_is_known_by_its_script_or_its_small_words(
    code: str, text: str
) -> None:
    assert detect(text) == code
    assert detect(text.upper()) == code


@pytest.mark.parametrize("text", UNSURE)
def test_what_is_too_short_or_could_be_two_is_no_language(text: str) -> None:
    assert detect(text) is None


def test_a_name_in_latin_letters_does_not_hide_the_script() -> None:
    assert detect("Visa カードで二重に請求されました") == "ja"


def test_a_japanese_message_is_not_chinese_for_its_many_signs() -> None:
    assert detect("二重請求返金希望、注文番号確認の上") == "ja"


@given(st.text(max_size=80))
def test_any_text_has_at_most_one_language(text: str) -> None:
    assert detect(text) in {*MESSAGES, "en", None}


@pytest.mark.parametrize(
    ("message", "language"),
    [
        ("Me cobraron dos veces por el mismo pedido.", "es"),
        ("olvidé mi contraseña", "es"),
        ("Passwort vergessen", "de"),
        ("zweimal abgebucht!", "de"),
        ("mot de passe oublié", "fr"),
        ("Mi avete addebitato due volte", "it"),
        ("Fui cobrado duas vezes", "pt"),
        ("wachtwoord vergeten", "nl"),
    ],
)
def test_a_few_words_tell_where_support_hears_them_every_day(message: str, language: str) -> None:
    assert detect(message) == language
