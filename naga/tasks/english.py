"""English words for quoting: contract clauses and questions by topic, stories, and wordings.

A pattern holds slots in braces. `{a}` and `{b}` are the two parties of a contract and stay the same
throughout it; every other slot is drawn anew. Each clause says one thing about its topic and stays
clear of the other topics. See material.py for what each part is.
"""

from naga.tasks.material import NUMBERS, Material, Topic

TOPICS = (
    Topic(
        label="governing law",
        asks=(
            "which law governs this agreement",
            "what law applies",
            "which law is the governing law",
        ),
        patterns=(
            "This Agreement shall be governed by the laws of {state}.",
            "This Agreement is governed by and construed in accordance with the law of {state}.",
            "The laws of {state} govern this Agreement and any matter arising from it.",
        ),
        tell=r"\bgoverned by\b.*\blaws?\b|\blaws? of\b.*\bgoverns?\b",
    ),
    Topic(
        label="term",
        asks=("how long this agreement lasts", "what the term of the agreement is"),
        patterns=(
            "The term of this Agreement is {number} years from {date}.",
            "This Agreement begins on {date} and remains in force for {number} years.",
            "This Agreement shall continue for a period of {number} months from {date}.",
        ),
        tell=r"\bterm of this agreement (is|shall|will)\b|\bagreement shall (commence|remain)\b",
    ),
    Topic(
        label="termination",
        asks=("how the agreement can be ended", "when a party may terminate", "who may terminate"),
        patterns=(
            "Either party may terminate this Agreement by giving {number} days' written notice.",
            "{a} may terminate this Agreement if {b} fails to cure a breach within {number} days.",
            "{b} may end this Agreement at any time with {number} days' notice to {a}.",
        ),
        tell=r"\bmay (immediately )?terminate this agreement\b",
    ),
    Topic(
        label="payment",
        asks=("what has to be paid", "who has to pay"),
        patterns=(
            "{b} shall pay {a} {amount} within {number} days of receiving an invoice.",
            "The price for the {goods} is {amount}, payable on {date}.",
            "{b} shall pay a fee of {amount} at the end of each month.",
        ),
        tell=r"\bshall pay\b",
    ),
    Topic(
        label="late payment",
        asks=("what happens if payment is late", "what interest is charged"),
        patterns=(
            "Any overdue sum bears interest at {number} percent per year.",
            "If an invoice is overdue, {b} shall owe interest of {number} percent per month.",
        ),
        tell=r"\bbears? interest\b|\binterest at (a|the) rate\b",
    ),
    Topic(
        label="confidentiality",
        asks=(
            "what is confidential",
            "what must be kept secret",
            "who must keep information secret",
        ),
        patterns=(
            "Each party shall keep the other party's information confidential for {number} years.",
            "{b} shall not disclose the confidential information of {a} to any third party.",
            "All {papers} exchanged under this Agreement are confidential.",
        ),
        tell=r"\b(keep|kept|hold|held|treat|treated|maintain|disclose)\b.*\bconfidential",
    ),
    Topic(
        label="assignment",
        asks=("whether the agreement can be assigned", "who may assign the agreement"),
        patterns=(
            "{b} may not assign this Agreement without the prior written consent of {a}.",
            "Neither party may assign its rights under this Agreement to a third party.",
        ),
        tell=r"\bassign\b.*\bthis agreement\b",
    ),
    Topic(
        label="notices",
        asks=("where notices must be sent", "how notices are given"),
        patterns=(
            "Notices must be sent in writing to {a} at {address}.",
            "All notices to {b} shall be delivered by {mail} to {address}.",
        ),
        tell=r"\ball notices\b|\bnotices? (shall|must) be (in writing|sent|delivered)\b",
    ),
    Topic(
        label="liability",
        asks=("how liability is limited", "what the limit of liability is"),
        patterns=(
            "The total liability of {a} shall not exceed {amount}.",
            "Neither party is liable for indirect damages or lost profits above {amount}.",
        ),
        tell=r"\bliability\b.*\b(not|never) exceed\b|\bin no event (shall|will)\b.*\bliable\b",
    ),
    Topic(
        label="force majeure",
        asks=(
            "what happens in case of force majeure",
            "what applies if there is an earthquake or war",
        ),
        patterns=(
            "Neither party is responsible for delays caused by {disaster}, {disaster} or other "
            "events beyond its control.",
            "In the event of force majeure such as {disaster}, the affected duties are suspended "
            "for up to {number} days.",
        ),
        tell=r"\bforce majeure\b",
    ),
    Topic(
        label="disputes",
        asks=("how disputes are settled", "where disputes are decided"),
        patterns=(
            "Any dispute shall be settled by arbitration in {city}.",
            "The courts of {city} have exclusive jurisdiction over all disputes.",
            "Disputes shall first be submitted to mediation in {city} for {number} days.",
        ),
        tell=r"\b(disputes?|controversy|claims?)\b.*\barbitration\b|\bexclusive jurisdiction\b",
    ),
    Topic(
        label="amendment",
        asks=("how the agreement can be changed", "how the agreement is amended"),
        patterns=(
            "This Agreement may be amended only in writing signed by {a} and {b}.",
            "No change to this Agreement is valid unless both parties sign it.",
        ),
        tell=r"\bagreement (may|shall|can)( not| only)? be (amended|modified)\b",
    ),
    Topic(
        label="entire agreement",
        asks=("whether earlier agreements still count", "what the entire agreement is"),
        patterns=(
            "This document is the entire agreement and replaces all earlier {papers}.",
            "This Agreement constitutes the entire agreement between {a} and {b}.",
        ),
        tell=r"\bconstitutes? the entire (agreement|understanding)\b",
    ),
    Topic(
        label="warranty",
        asks=("what is warranted", "what the warranty is"),
        patterns=(
            "{a} warrants that the {goods} will be free from defects for {number} months.",
            "The warranty for the {goods} ends {number} months after delivery.",
        ),
        tell=r"\bwarrants that\b",
    ),
    Topic(
        label="delivery",
        asks=("when the goods are delivered", "where the goods are delivered"),
        patterns=(
            "{a} shall deliver the {goods} to {city} no later than {date}.",
            "Delivery of the {goods} takes place at {address} on {date}.",
        ),
    ),
    Topic(
        label="insurance",
        asks=("what insurance is required", "who must be insured"),
        patterns=(
            "{b} shall maintain insurance of at least {amount} during the term.",
            "{a} must carry insurance against {disaster} with a limit of {amount}.",
        ),
        tell=r"\b(shall|must|will)\b.*\b(maintain|carry|obtain)\b.*\binsurance\b",
    ),
    Topic(
        label="audit",
        asks=("who may inspect the books", "how audits are done"),
        patterns=(
            "{a} may audit the records of {b} once a year on {number} days' notice.",
            "{b} shall keep its books for {number} years and open them to auditors.",
        ),
        tell=r"\bright to (audit|inspect)\b|\bmay (audit|inspect)\b",
    ),
    Topic(
        label="renewal",
        asks=("how the agreement is renewed", "whether the agreement renews"),
        patterns=(
            "This Agreement renews automatically for {number} more years unless a party objects.",
            "{b} may renew this Agreement once for {number} further months.",
        ),
        tell=r"\bautomatically renew|\brenew(ed|s)? automatically\b",
    ),
    Topic(
        label="competition",
        asks=("what competition is forbidden", "who must not compete"),
        patterns=(
            "{b} shall not compete with {a} in {city} for {number} years.",
            "For {number} months, {b} shall not work for any competitor of {a}.",
        ),
        tell=r"\bnot\b.*\bcompete with\b",
    ),
    Topic(
        label="ownership",
        asks=("who owns the results of the work", "who owns the intellectual property"),
        patterns=(
            "All intellectual property in the {goods} belongs to {a}.",
            "{a} owns all {papers} created in the course of the work.",
        ),
        tell=r"\bintellectual property\b.*\b(owned|belong|property of)\b",
    ),
)

STORIES = (
    "{person} bought a {colour} {thing} at the {place} {time}.",
    "{person} lost a {colour} {thing} near the {place}.",
    "{time_start}, {person} walked to the {place} with {person}.",
    "{person} found {number} {animal} behind the {place}.",
    "The {colour} {thing} belongs to {person}.",
    "{person} told {person} about the {thing} in the {place}.",
    "Nobody at the {place} had seen the {colour} {thing}.",
    "{person} sold the {thing} for {number} dollars {time}.",
    "{time_start}, the {place} was closed because of {disaster}.",
    "{person} has lived in {city} for {number} years.",
    "The train to {city} leaves at {hour} o'clock.",
    "{person} and {person} painted the {thing} {colour}.",
    "A {animal_one} slept on the {thing} next to the {place}.",
    "The {place} in {city} was built {number} years ago.",
    "{person} wrote a letter to {person} {time}.",
    "It rained in {city} {time}.",
    "{person} works as a {job} at the {place}.",
    "The {job} gave {person} a {colour} {thing}.",
    "“Please bring the {thing},” said {person}.",
    "{person} paid {amount} for the {thing}, but the {job} wanted more.",
)

PARTIES = (
    *(
        ("the Supplier", "the Customer"),
        ("the Seller", "the Buyer"),
        ("the Landlord", "the Tenant"),
    ),
    *(("the Licensor", "the Licensee"), ("the Company", "the Consultant")),
    *(("the Lender", "the Borrower"), ("Northwind Ltd.", "Harbor Mills Inc.")),
    *(("Acme Corp.", "Blue River LLC"), ("the Contractor", "the Owner")),
)

SLOTS: dict[str, tuple[str, ...]] = {
    "hour": tuple(str(hour) for hour in range(2, 13)),
    "number": (*NUMBERS, "five", "six", "seven", "ten", "twelve", "thirty", "sixty"),
    "amount": (
        *(
            "$500",
            "$1,200",
            "$2,500",
            "$4,800",
            "$7,500",
            "$10,000",
            "$15,000",
            "$36,000",
            "$50,000",
        ),
        *("EUR 900", "EUR 3,400", "EUR 12,500", "EUR 80,000", "USD 250,000", "USD 1.5 million"),
    ),
    "state": (
        *("New York", "Delaware", "California", "Texas", "Ohio", "Nevada", "Florida", "Illinois"),
        *(
            "England and Wales",
            "Ontario",
            "France",
            "Singapore",
            "Hong Kong",
            "the U.S. Virgin Islands",
        ),
    ),
    "city": (
        *("Boston", "Chicago", "Denver", "Seattle", "London", "Paris", "Geneva", "Vienna", "Oslo"),
        *("Madrid", "Toronto", "Sydney", "Shanghai", "Tokyo", "Washington, D.C.", "St. Louis"),
    ),
    "address": (
        *("12 Mill Road", "48 Harbor Street", "7 Park Avenue", "301 Lake Drive", "95 King Street"),
        *("22 Station Square", "160 Elm Street", "5 Old Bridge Lane", "77 Market St. West"),
    ),
    "date": tuple(
        f"{month} {day}, {year}"
        for month, day, year in zip(
            ("January", "February", "March", "April", "May", "June", "July", "August", "September")
            * 3,
            range(2, 29),
            (2019, 2020, 2021, 2022, 2023, 2024, 2025) * 4,
            strict=False,
        )
    ),
    "goods": (
        *("machines", "software", "spare parts", "furniture", "pumps", "batteries", "vehicles"),
        *("textiles", "reports", "drawings", "sensors", "tools", "bicycles", "medical devices"),
    ),
    "papers": ("documents", "drafts", "letters", "reports", "offers", "business plans", "designs"),
    "mail": ("registered mail", "courier", "e-mail", "certified mail", "hand"),
    "disaster": (
        *("fire", "flood", "war", "a strike", "an earthquake", "a storm", "an epidemic", "snow"),
    ),
    "person": (
        *("Clara", "Tom", "Mary", "Peter", "Anna", "David", "Lucy", "Omar", "Mei", "Ivan", "Sofia"),
        *("Henry", "Rosa", "Jack", "Nina", "Paul", "Dr. Lee", "Mr. Brown", "Mrs. Gray", "Ms. Park"),
    ),
    "colour": ("red", "blue", "green", "yellow", "black", "white", "brown", "silver", "purple"),
    "thing": (
        *("kettle", "bicycle", "lamp", "umbrella", "violin", "basket", "clock", "chair", "camera"),
        *("ring", "suitcase", "radio", "mirror", "blanket", "map", "ladder", "bell", "boat"),
    ),
    "place": (
        *(
            "market",
            "library",
            "station",
            "museum",
            "bakery",
            "school",
            "harbor",
            "garden",
            "hotel",
        ),
        *("theater", "church", "hospital", "bridge", "post office", "old mill", "town hall"),
    ),
    "time": (
        *("yesterday", "last week", "on Monday", "on Friday", "in March", "in winter", "at noon"),
        *("in the morning", "after lunch", "last summer", "before sunrise", "on Sunday evening"),
    ),
    "time_start": (
        *("Yesterday", "Last week", "On Tuesday", "On Saturday", "In April", "At midnight"),
        *("In the evening", "After dinner", "Last autumn", "Two days later", "The next morning"),
    ),
    "animal": ("cats", "hens", "geese", "rabbits", "puppies", "frogs", "goats", "mice"),
    "animal_one": ("cat", "dog", "goose", "rabbit", "fox", "parrot", "monkey", "lizard"),
    "job": ("teacher", "baker", "doctor", "farmer", "driver", "painter", "lawyer", "cook", "nurse"),
}

ENGLISH = Material(
    topics=TOPICS,
    stories=STORIES,
    parties=PARTIES,
    slots=SLOTS,
    by_fragment=(
        'Quote the sentence that says "{what}".',
        "Quote the sentence that says “{what}”.",
        'Quote the sentence that contains the words "{what}".',
        'Which sentence contains "{what}"? Quote it word for word.',
        'Find the sentence with "{what}" and copy it exactly.',
        "Quote the sentence that says {what}.",
        'quote the sentence that says "{what}"',
        'Give me the exact sentence in which "{what}" appears.',
    ),
    by_keywords=(
        "Quote the sentence that mentions {what}.",
        "Quote the sentence about {what}.",
        "Which sentence mentions {what}? Quote it word for word.",
        "Find the sentence about {what} and copy it exactly.",
        "What does the text say about {what}? Quote the sentence.",
    ),
    by_topic=(
        "Quote the sentence that says {ask}.",
        "Quote the sentence that says {ask}.",
        "Which sentence says {ask}? Quote it word for word.",
        "Find the sentence that says {ask} and copy it exactly.",
        "Quote the sentence about {label}.",
        "quote the sentence that says {ask}",
        "What does the document say about {label}? Quote the sentence.",
    ),
    otherwise=(' If there is none, say "not found".', ' Answer "not found" if no sentence does.'),
    layouts=(
        "{document}\n\n{question}",
        "{question}\n\n{document}",
        "Document:\n{document}\n\n{question}",
        "{question}\n\nDocument:\n{document}",
        "Document: {document}\n\nQuestion: {question}",
        'Text: "{document}"\n\n{question}',
        "“{document}”\n\n{question}",
        "Read this text:\n\n{document}\n\n{question}",
        "Here is a contract.\n\n{document}\n\n{question}",
        "{question}\n\n“{document}”",
    ),
    not_found="not found",
    quoted='"{}"',
    fitting="yes",
    other="no",
    comma=", ",
    last_comma=" and ",
    gap=" ",
)
