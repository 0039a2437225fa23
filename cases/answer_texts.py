"""The sentences of an answer in each language that we write, formal and all of one content.

Only `{amount}` and `{day}` are filled in. No sentence has a digit or a link of its own, and none
says more than its fact. A model may pick an opening, and writes no word of its own: no check of
words finds every promise ("It is on its way to you from us."), and a promise binds who made it.
"""

from enum import StrEnum
from typing import Final

from cases.records import Record


class Opening(StrEnum):
    """The kind words before the facts. Each may stand before any of them."""

    NONE = "none"
    THANKS = "thanks"
    SORRY = "sorry"
    WORRIED = "worried"
    PATIENCE = "patience"
    KIND_WORDS = "kind_words"


class AnswerTexts(Record):
    """One language's sentences."""

    greeting: str
    #: By Opening, all but NONE.
    openings: dict[Opening, str]
    refunded: str
    refund_requested: str
    past_refund: str
    nothing_found: str
    reset_sent: str
    reset_sent_before: str
    denied: str
    waits_for_person: str
    cancelled: str
    nothing_left: str
    closing: str


#: What an answer is written in where the customer's language has no texts.
FALLBACK: Final = "en"

TEXTS: Final = {
    "en": AnswerTexts(
        greeting="Hello,",
        openings={
            Opening.THANKS: "Thank you for writing to us.",
            Opening.SORRY: "We are sorry for the trouble that this has caused you.",
            Opening.WORRIED: "We understand that this has worried you.",
            Opening.PATIENCE: "Thank you for your patience.",
            Opening.KIND_WORDS: "Thank you for your kind words.",
        },
        refunded="We found that you were charged twice and have refunded {amount} to the payment "
        "method you used. Banks take a few days to show it.",
        refund_requested="We found that you were charged twice and have requested a refund of "
        "{amount}. It is not complete yet; your bank will confirm it.",
        past_refund="The refund of {amount} is already on record, made on {day}.",
        nothing_found="We looked through your charges and found no duplicate: no issues found.",
        reset_sent="We have sent an email with a link to reset your password to the address on "
        "your account, so that you can log in again.",
        reset_sent_before="We have sent you an email with a link to reset your password within the "
        "last day: please use that one. If it has not reached you, write to us again.",
        denied="A colleague reviewed the refund that you asked for and declined it.",
        waits_for_person="A colleague is looking into your request and will write to you.",
        cancelled="Your request was cancelled. Nothing more will happen on it.",
        nothing_left="We looked into your request, and nothing is left to be done.",
        closing="Kind regards,\nYour support team",
    ),
    "de": AnswerTexts(
        greeting="Guten Tag!",
        openings={
            Opening.THANKS: "Vielen Dank für Ihre Nachricht.",
            Opening.SORRY: "Die Unannehmlichkeiten, die Ihnen entstanden sind, tun uns leid.",
            Opening.WORRIED: "Wir verstehen, dass Sie das beunruhigt hat.",
            Opening.PATIENCE: "Vielen Dank für Ihre Geduld.",
            Opening.KIND_WORDS: "Vielen Dank für Ihre freundlichen Worte.",
        },
        refunded="Wir haben festgestellt, dass Ihnen doppelt berechnet wurde, und {amount} auf das "
        "von Ihnen verwendete Zahlungsmittel erstattet. Banken brauchen einige Tage, bis sie es "
        "anzeigen.",
        refund_requested="Wir haben festgestellt, dass Ihnen doppelt berechnet wurde, und eine "
        "Erstattung von {amount} beantragt. Sie ist noch nicht abgeschlossen; Ihre Bank wird sie "
        "bestätigen.",
        past_refund="Die Erstattung von {amount} ist bereits verzeichnet, ausgeführt am {day}.",
        nothing_found="Wir haben Ihre Belastungen durchgesehen und keine doppelte gefunden: es "
        "gibt nichts zu beanstanden.",
        reset_sent="Wir haben eine E-Mail mit einem Link zum Zurücksetzen Ihres Passworts an die "
        "in Ihrem Konto hinterlegte Adresse gesendet, damit Sie sich wieder anmelden können.",
        reset_sent_before="Wir haben Ihnen innerhalb des letzten Tages eine E-Mail mit einem Link "
        "zum Zurücksetzen Ihres Passworts gesendet: bitte verwenden Sie diesen. Falls sie Sie "
        "nicht erreicht hat, schreiben Sie uns bitte erneut.",
        denied="Die Erstattung, um die Sie gebeten haben, wurde von unserem Team geprüft und "
        "abgelehnt.",
        waits_for_person="Eine Person aus unserem Team sieht sich Ihr Anliegen an und wird Ihnen "
        "schreiben.",
        cancelled="Ihre Anfrage wurde storniert. Es geschieht nichts weiter damit.",
        nothing_left="Wir haben Ihr Anliegen geprüft, und es bleibt nichts weiter zu tun.",
        closing="Mit freundlichen Grüßen\nIhr Kundenservice",
    ),
    "fr": AnswerTexts(
        greeting="Bonjour,",
        openings={
            Opening.THANKS: "Nous vous remercions de votre message.",
            Opening.SORRY: "Nous sommes désolés des désagréments que cela vous a causés.",
            Opening.WORRIED: "Nous comprenons que cela vous ait inquiété.",
            Opening.PATIENCE: "Nous vous remercions de votre patience.",
            Opening.KIND_WORDS: "Nous vous remercions de vos aimables paroles.",
        },
        refunded="Nous avons constaté que vous aviez été débité deux fois et avons remboursé "
        "{amount} sur le moyen de paiement que vous avez utilisé. Les banques mettent quelques "
        "jours à l’afficher.",
        refund_requested="Nous avons constaté que vous aviez été débité deux fois et avons demandé "
        "un remboursement de {amount}. Il n’est pas encore effectué ; votre banque le confirmera.",
        past_refund="Le remboursement de {amount} est déjà enregistré, effectué le {day}.",
        nothing_found="Nous avons examiné vos débits et n’avons trouvé aucun doublon : aucune "
        "anomalie n’a été constatée.",
        reset_sent="Nous avons envoyé un e-mail contenant un lien de réinitialisation de votre mot "
        "de passe à l’adresse associée à votre compte, afin que vous puissiez vous reconnecter.",
        reset_sent_before="Nous vous avons envoyé au cours du dernier jour un e-mail contenant un "
        "lien de réinitialisation de votre mot de passe : veuillez utiliser celui-ci. S’il ne vous "
        "est pas parvenu, écrivez-nous de nouveau.",
        denied="Un membre de notre équipe a examiné le remboursement que vous avez demandé et l’a "
        "refusé.",
        waits_for_person="Un membre de notre équipe examine votre demande et vous écrira.",
        cancelled="Votre demande a été annulée. Plus rien ne sera entrepris à son sujet.",
        nothing_left="Nous avons examiné votre demande, et il ne reste rien à faire.",
        closing="Cordialement,\nVotre service client",
    ),
    "es": AnswerTexts(
        greeting="Hola:",
        openings={
            Opening.THANKS: "Le agradecemos que nos haya escrito.",
            Opening.SORRY: "Lamentamos las molestias que esto le ha causado.",
            Opening.WORRIED: "Entendemos que esto le haya preocupado.",
            Opening.PATIENCE: "Le agradecemos su paciencia.",
            Opening.KIND_WORDS: "Le agradecemos sus amables palabras.",
        },
        refunded="Hemos comprobado que se le cobró dos veces y hemos reembolsado {amount} al medio "
        "de pago que utilizó. Los bancos tardan unos días en mostrarlo.",
        refund_requested="Hemos comprobado que se le cobró dos veces y hemos solicitado un "
        "reembolso de {amount}. Aún no se ha completado; su banco lo confirmará.",
        past_refund="El reembolso de {amount} ya consta en nuestros registros, con fecha {day}.",
        nothing_found="Hemos revisado sus cargos y no hemos encontrado ningún duplicado: no se ha "
        "detectado ningún problema.",
        reset_sent="Hemos enviado un correo electrónico con un enlace para restablecer su "
        "contraseña a la dirección que figura en su cuenta, para que pueda volver a iniciar "
        "sesión.",
        reset_sent_before="Dentro del último día le hemos enviado un correo electrónico con un "
        "enlace para restablecer su contraseña: utilice ese, por favor. Si no le ha llegado, "
        "escríbanos de nuevo.",
        denied="Una persona de nuestro equipo revisó el reembolso que usted solicitó y lo rechazó.",
        waits_for_person="Una persona de nuestro equipo está revisando su solicitud y le "
        "escribirá.",
        cancelled="Su solicitud se ha cancelado. No se hará nada más con ella.",
        nothing_left="Hemos revisado su solicitud y no queda nada por hacer.",
        closing="Atentamente,\nSu equipo de atención al cliente",
    ),
    "it": AnswerTexts(
        greeting="Gentile cliente,",
        openings={
            Opening.THANKS: "La ringraziamo per averci scritto.",
            Opening.SORRY: "Ci dispiace per il disagio che questo Le ha causato.",
            Opening.WORRIED: "Comprendiamo che la cosa L’abbia preoccupata.",
            Opening.PATIENCE: "La ringraziamo per la Sua pazienza.",
            Opening.KIND_WORDS: "La ringraziamo per le Sue gentili parole.",
        },
        refunded="Abbiamo constatato che Le è stato addebitato due volte lo stesso importo e "
        "abbiamo rimborsato {amount} sul metodo di pagamento che ha utilizzato. Le banche "
        "impiegano alcuni giorni per mostrarlo.",
        refund_requested="Abbiamo constatato che Le è stato addebitato due volte lo stesso importo "
        "e abbiamo richiesto un rimborso di {amount}. Non è ancora completato; la Sua banca lo "
        "confermerà.",
        past_refund="Il rimborso di {amount} risulta già registrato, effettuato il {day}.",
        nothing_found="Abbiamo esaminato i Suoi addebiti e non abbiamo trovato alcun doppione: "
        "nessun problema riscontrato.",
        reset_sent="Abbiamo inviato un’e-mail con un link per reimpostare la Sua password "
        "all’indirizzo associato al Suo account, affinché possa accedere di nuovo.",
        reset_sent_before="Nell’ultimo giorno Le abbiamo inviato un’e-mail con un link per "
        "reimpostare la Sua password: La preghiamo di utilizzare quello. Se non Le è arrivata, ci "
        "scriva di nuovo.",
        denied="Una persona del nostro team ha esaminato il rimborso che ha richiesto e lo ha "
        "rifiutato.",
        waits_for_person="Una persona del nostro team sta esaminando la Sua richiesta e Le "
        "scriverà.",
        cancelled="La Sua richiesta è stata annullata. Non avrà alcun seguito.",
        nothing_left="Abbiamo esaminato la Sua richiesta e non resta nulla da fare.",
        closing="Cordiali saluti,\nIl Suo servizio clienti",
    ),
    "pt": AnswerTexts(
        greeting="Olá,",
        openings={
            Opening.THANKS: "Agradecemos por nos ter escrito.",
            Opening.SORRY: "Lamentamos o transtorno que isto lhe causou.",
            Opening.WORRIED: "Compreendemos que isto lhe tenha causado preocupação.",
            Opening.PATIENCE: "Agradecemos a sua paciência.",
            Opening.KIND_WORDS: "Agradecemos as suas palavras gentis.",
        },
        refunded="Constatamos que lhe foi cobrado duas vezes o mesmo valor e reembolsamos {amount} "
        "para o meio de pagamento que utilizou. Os bancos demoram alguns dias a mostrá-lo.",
        refund_requested="Constatamos que lhe foi cobrado duas vezes o mesmo valor e solicitamos "
        "um reembolso de {amount}. Ainda não está concluído; o seu banco irá confirmá-lo.",
        past_refund="O reembolso de {amount} já consta dos nossos registros, efetuado em {day}.",
        nothing_found="Analisamos as suas cobranças e não encontramos nenhuma duplicada: nenhum "
        "problema foi encontrado.",
        reset_sent="Enviamos um e-mail com um link para redefinir a sua senha para o endereço da "
        "sua conta, para que possa voltar a entrar.",
        reset_sent_before="Enviamos-lhe no último dia um e-mail com um link para redefinir a sua "
        "senha: por favor, utilize esse. Se não o recebeu, escreva-nos de novo.",
        denied="Uma pessoa da nossa equipe analisou o reembolso que solicitou e recusou-o.",
        waits_for_person="Uma pessoa da nossa equipe está analisando o seu pedido e irá "
        "escrever-lhe.",
        cancelled="O seu pedido foi cancelado. Nada mais acontecerá com ele.",
        nothing_left="Analisamos o seu pedido e não há mais nada a fazer.",
        closing="Atenciosamente,\nServiço de atendimento ao cliente",
    ),
    "nl": AnswerTexts(
        greeting="Geachte klant,",
        openings={
            Opening.THANKS: "Hartelijk dank voor uw bericht.",
            Opening.SORRY: "Het spijt ons dat u hiervan last hebt gehad.",
            Opening.WORRIED: "Wij begrijpen dat u zich hierover zorgen hebt gemaakt.",
            Opening.PATIENCE: "Hartelijk dank voor uw geduld.",
            Opening.KIND_WORDS: "Hartelijk dank voor uw vriendelijke woorden.",
        },
        refunded="Wij hebben vastgesteld dat er twee keer bij u is afgeschreven en hebben {amount} "
        "terugbetaald via de betaalmethode die u hebt gebruikt. Bij banken duurt het enkele dagen "
        "voordat dit zichtbaar is.",
        refund_requested="Wij hebben vastgesteld dat er twee keer bij u is afgeschreven en hebben "
        "een terugbetaling van {amount} aangevraagd. Deze is nog niet voltooid; uw bank zal dit "
        "bevestigen.",
        past_refund="De terugbetaling van {amount} staat al geregistreerd, uitgevoerd op {day}.",
        nothing_found="Wij hebben uw afschrijvingen bekeken en geen dubbele gevonden: er zijn geen "
        "problemen gevonden.",
        reset_sent="Wij hebben een e-mail met een link om uw wachtwoord opnieuw in te stellen "
        "gestuurd naar het adres van uw account, zodat u weer kunt inloggen.",
        reset_sent_before="Wij hebben u in de afgelopen dag een e-mail gestuurd met een link om uw "
        "wachtwoord opnieuw in te stellen: gebruik die alstublieft. Hebt u de e-mail niet "
        "ontvangen, schrijf ons dan opnieuw.",
        denied="Een collega heeft de terugbetaling waar u om hebt gevraagd beoordeeld en "
        "afgewezen.",
        waits_for_person="Een collega bekijkt uw verzoek en zal u schrijven.",
        cancelled="Uw verzoek is geannuleerd. Er gebeurt verder niets mee.",
        nothing_left="Wij hebben uw verzoek bekeken en er hoeft niets meer te gebeuren.",
        closing="Met vriendelijke groet,\nUw klantenservice",
    ),
}
