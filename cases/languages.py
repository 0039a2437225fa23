"""The language of a message, as a code of ISO 639-1, or None where it does not tell.

It shows in the script, or in the small words that every sentence of a language is full of.
"""

import re
import unicodedata
from collections import Counter

#: So much of a message tells its language.
_ENOUGH = 2000
_WORD = re.compile(r"[^\W\d_]+")
#: Many languages' script.
_LATIN = "latin"
_BY_SCRIPT = {
    "LATIN": _LATIN,
    "HIRAGANA": "ja",
    "KATAKANA": "ja",
    "CJK": "zh",
    "HANGUL": "ko",
    "ARABIC": "ar",
    "HEBREW": "he",
    "GREEK": "el",
    "THAI": "th",
    "DEVANAGARI": "hi",
    "CYRILLIC": "ru",
}
_UKRAINIAN = frozenset("іїєґ")
#: Letters of neighbours in the same script: Serbian, Macedonian, Belarusian; Persian, Urdu.
_NEIGHBOURS = frozenset("јљњћђџѓќѕўپچژگٹڈڑ")

_WORDS: dict[str | None, str] = {
    "en": """the a an and or but of to in on at for from with by about as if is are was were be
        been am do does did have has had can could will would should may might i you he she it we
        they me my your his her its our us them this that these those there here what which who
        how when where why not no so please thank thanks don t im ve any some just up out want
        need get help cannot also more than now understand sorry""",
    "de": """der die das den dem des ein eine einen einem einer eines und oder aber nicht kein
        keine ich sie er es wir ihr mir mich ihnen ihre ihren ihrem uns unser mein meine meinen
        meiner ist sind war waren habe haben hat hatte wurde wird werden kann können bitte danke
        vielen dank zu zum zur auf in im mit von vom für fuer bei nach aus an am um über wegen
        dass daß wenn weil wie was warum auch noch mehr schon sehr so dieser diese dieses hallo
        leid tut verstehen nachricht
        passwort vergessen konto geld zurück zweimal doppelt abgebucht belastet rechnung erstattung
        bestellung bezahlt anmelden""",
    "fr": """le la les l un une des du de d et ou mais ne n pas plus je j vous nous il elle on
        ils me m mon ma mes votre vos notre nos ce c cet cette ces est sont suis êtes était été
        ai avez avons a ont fait à au aux en dans sur pour par avec sans que qu qui quoi comment
        pourquoi si s y se très tres merci bonjour désolé désolés regrettons être cela ça
        comprenons
        mot passe oublié compte argent deux fois débité remboursement remboursez facture commande
        payé connecter""",
    "es": """el la los las un una unos unas y o pero no ni yo usted ustedes nosotros me mi mis su
        sus le les lo se nos nuestro nuestra este esta esto estos estas ese esa eso es son está
        están estoy fue ha he han hemos tengo tiene puedo puede quiero de del al a en con por
        para sin sobre que qué quien como cómo cuando cuándo porque si sí muy más mas también
        gracias hola lamentamos sentimos siento ya todo hay pueden fui comprendemos entendemos
        mensaje
        contraseña olvidé cuenta dinero veces dos mismo cobraron cobrado reembolso factura pedido
        pagado entrar vuelta""",
    "it": """il lo la i gli le l un uno una e o ma non né io lei noi voi mi ci si vi mio mia miei
        suo sua suoi nostro nostra questo questa questi queste quello è sono era ha ho abbiamo
        hanno siamo stato stata posso può vorrei di del dello della dei degli delle d a al allo
        alla ai alle da dal dalla in nel nella con su sul sulla per tra fra che chi cosa come
        quando perché se anche più molto grazie ciao buongiorno dispiace spiacenti già ancora
        comprendiamo capiamo quanto messaggio
        avete volte due addebitato dimenticata dimenticato voglio rimborso conto soldi fattura
        ordine pagato accedere indietro""",
    "pt": """o a os as um uma uns umas e ou mas não nao nem eu você voce senhor senhora nós me
        meu minha meus minhas seu sua seus suas nos lhe isto isso este esta esse essa é são foi
        está estou estão tenho tem temos posso pode quero gostaria de do da dos das em no na nas
        ao à aos com por para pelo pela sem sobre que quem como quando porque se muito mais
        também obrigado obrigada olá lamentamos sentimos já ter ser podem fui compreendemos
        entendemos mensagem
        senha esqueci conta dinheiro vezes duas cobrado cobrada cobraram reembolso fatura pago volta
        consigo entrar""",
    "nl": """de het een en of maar niet geen ik u jij je hij zij ze wij we mij mijn uw ons onze
        jullie dit dat deze die is zijn ben was waren heb hebt heeft hebben had kan kunt kunnen
        wil graag word wordt worden van in op aan te om met voor bij naar uit door over dan als
        dat wat wie hoe waarom wanneer er hier daar ook nog al wel meer zeer zo alstublieft
        bedankt dank hallo spijt begrijpen bericht
        wachtwoord vergeten rekening geld terug twee keer dubbel afgeschreven terugbetaling factuur
        bestelling betaald inloggen""",
    # Swedish, Danish and Norwegian, lest they pass for one of ours.
    None: """jag jeg och og att at det den en ett et är er som på med av för for till til inte ikke
        har kan vi du ni i de din dig mig vil vill skal ska om alla alle tack tak""",
}
_KNOWN = {language: frozenset(words.split()) for language, words in _WORDS.items()}


def detect(text: str) -> str | None:
    """The code of the text's language, or None where it is too short or could be two."""
    start = text[:_ENOUGH].casefold()
    letters = [letter for letter in start if letter.isalpha()]
    found = Counter(_BY_SCRIPT.get(_script(letter)) for letter in letters)
    if found["ja"]:
        found["ja"] += found.pop("zh", 0)
    code = max(found, key=found.__getitem__, default=None)
    if code == _LATIN:
        return _by_words(_WORD.findall(start))
    if not _NEIGHBOURS.isdisjoint(letters):
        return None
    return "uk" if code == "ru" and not _UKRAINIAN.isdisjoint(letters) else code


def _script(letter: str) -> str:
    return unicodedata.name(letter, "").partition(" ")[0]


def _by_words(words: list[str]) -> str | None:
    """The language with the most known words: two at least, and a quarter of all."""
    hits = {code: sum(word in known for word in words) for code, known in _KNOWN.items()}
    best, second = sorted(hits, key=hits.__getitem__, reverse=True)[:2]
    clear = hits[best] > max(hits[second], 1) and hits[best] * 4 >= len(words)
    return best if clear else None
