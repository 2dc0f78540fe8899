"""What the simulated public and the simulated brands say: language, sentiment (-1 to 1, exact in 32 bits) and text."""

from typing import Final

Phrase = tuple[str, float, str]

QUESTIONS: Final[tuple[Phrase, ...]] = (
    ("en", -0.5, "my order is still not here, what is going on?"),
    ("en", -0.75, "third time this week that the app loses my basket. Not funny."),
    ("en", 0.0, "are you open on Sunday?"),
    ("en", -0.25, "been on hold for 40 minutes, can somebody here help?"),
    ("en", 0.0, "does the new one fit the old charger?"),
    ("en", 0.5, "the new store is lovely. When do you open one in Leeds?"),
    ("en", -1.0, "cancelled without a word, and nobody answers the phone 😡"),
    ("en", 0.75, "thank you to the driver of the 7:40 this morning, made my day 🙏"),
    ("de", -0.5, "seit drei Tagen keine Antwort auf meine E-Mail …"),
    ("de", 0.0, "kann ich das auch in der Filiale umtauschen?"),
    ("fr", -0.5, "toujours pas de remboursement, c'est normal ?"),
    ("fr", 0.25, "bonjour, livrez-vous aussi en Suisse ?"),
    ("es", -0.5, "la web no carga desde ayer, ¿lo están mirando?"),
    ("es", 0.5, "¡qué bien atendieron hoy a mi madre en la tienda!"),
    ("ja", 0.0, "予約の変更はどこからできますか?"),
)
ADDITIONS: Final[tuple[Phrase, ...]] = (
    ("en", -0.25, "hello? anybody there?"),
    ("en", 0.0, "order number is in my last message"),
    ("en", -0.5, "and now the tracking page is down as well"),
    ("de", -0.25, "PS: die Hotline hilft auch nicht weiter"),
    ("fr", 0.0, "j'ai oublié : c'était mardi"),
)
FOLLOW_UPS: Final[tuple[Phrase, ...]] = (
    ("en", 0.5, "that worked, thank you!"),
    ("en", -0.5, "I did that already. Still the same."),
    ("en", 0.0, "sent you the details"),
    ("de", 0.25, "danke, versuche ich"),
    ("es", 0.0, "¿y cuánto tarda eso?"),
)
ANSWERS: Final[tuple[Phrase, ...]] = (
    ("en", 0.25, "sorry to hear that! Could you send us your order number in a private message? ^Kim"),
    ("en", 0.25, "we are on it and will be back within the hour. ^Ade"),
    ("en", 0.5, "glad you like it! We have told the team."),
    ("en", 0.0, "yes, from 10 to 4 on Sundays. See you there? ^Jo"),
    ("en", 0.0, "please try it with the app of today, 4.2.1: it mends exactly this. ^Kim"),
    ("de", 0.25, "das tut uns leid! Schick uns bitte deine Bestellnummer. ^Lea"),
    ("fr", 0.25, "désolés pour l'attente ! Nous regardons cela tout de suite. ^Zoé"),
    ("es", 0.25, "¡gracias por avisar! Lo miramos ahora mismo. ^Ana"),
)
PARTS_TWO: Final[tuple[Phrase, ...]] = (
    ("en", 0.0, "2/2 … and here is the form: https://example.com/help"),
    ("en", 0.0, "and one more thing: which device is it? ^Kim"),
)
ACKNOWLEDGEMENT: Final[Phrase] = ("en", 0.0, "thanks for your message! We answer as soon as we can. [automatic reply]")
PEER_ANSWERS: Final[tuple[Phrase, ...]] = (
    ("en", 0.25, "same here, restarting helped"),
    ("en", 0.0, "try the other branch, they have it"),
    ("en", -0.25, "good luck with that, I waited a week"),
)
NEWS: Final[tuple[Phrase, ...]] = (
    ("en", 0.5, "Our autumn range is here 🍂 #new https://example.com/autumn"),
    ("en", 0.25, "What did you learn this week? Tell us below #friday"),
    ("en", 0.0, "Planned maintenance tonight from 2 to 4. https://status.example.com"),
    ("en", 0.75, "Meet Kim, who has answered you here for ten years #team"),
    ("de", 0.5, "Unser neuer Laden in Bremen ist offen #neu"),
)
EDITED: Final = " (edited)"
BRANDS: Final = (
    "northwind",
    "harbour_air",
    "tea_and_toast",
    "lumen_mobile",
    "old_post",
    "riverbank",
    "velo_city",
    "casa_verde",
    "blue_kettle",
    "tramline",
)
NETWORKS: Final = ("twitter", "bluesky", "mastodon")
