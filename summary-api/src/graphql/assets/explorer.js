// Asks in place of loading a new page, offers examples, and shows the schema when it is wanted.
"use strict";

const examples = {
  "the newest matched sessions": document.getElementById("query").value,
  "who is inside, by lot": "{\n  lots { id kind capacity inside time }\n}",
  "unmatched exits of a lot, with the lot": `query ($lot: String) {
  sessions(lotId: $lot, states: ["unmatched_exit"], first: 20) {
    nodes { sessionId vehiclePlate exitDateTime reason lot { id inside } }
    pageInfo { hasNextPage endCursor }
  }
}`,
  "void sessions and what took their place": `{
  sessions(states: ["void"], first: 20) {
    nodes { sessionId state supersedingSession { sessionId state dwellSeconds } }
  }
}`,
  "why the newest unmatched exit has no entry": `{
  sessions(states: ["unmatched_exit"], first: 1) {
    nodes { story { explanation { text cause nearPlates { distance session { vehiclePlate } } } changes { toState rule recordedAt } } }
  }
}`,
  "what a day was like at a lot": `query ($lot: String! = "central-mall") {
  statistics(lotId: $lot) {
    buckets { from entries exits unmatchedExits averageDwellTime occupancy }
    total { entries exits dwellP50Seconds dwellP99Seconds }
  }
}`,
  "how the gates do": "{\n  gates { lotId gateId lastEventDateTime readsLastHour lateShareLastHour clockDifferenceSeconds }\n}",
  "the first changes": `{
  changes(after: 0, first: 10) {
    changes { sequence fromState toState rule recordedAt session { lotId vehiclePlate } }
    nextAfter
  }
}`,
};

const element = (id) => document.getElementById(id);

function say(text) {
  element("status").textContent = text;
}

function variables() {
  const text = element("variables").value.trim();
  return text === "" ? undefined : JSON.parse(text);
}

async function ask() {
  let request;
  try {
    request = { query: element("query").value, variables: variables() };
  } catch (error) {
    say(`The variables are no JSON: ${error.message}`);
    return;
  }
  say("Asking …");
  const begun = performance.now();
  try {
    const answer = await fetch("/graphql", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(request),
    });
    const body = await answer.json();
    const taken = Math.round(performance.now() - begun);
    element("answer").textContent = JSON.stringify(body, null, 2);
    const problem = body.detail ?? body.errors?.[0]?.message;
    say(problem ? `Refused: ${problem}` : `Answered in ${taken} ms.`);
  } catch (error) {
    say(`No answer: ${error.message}`);
  }
}

async function showSchema() {
  const place = element("schema").querySelector("pre");
  if (place.textContent === "") {
    const answer = await fetch("/graphql/schema.graphql");
    place.textContent = await answer.text();
  }
}

for (const name of Object.keys(examples)) {
  element("example").append(new Option(name, name));
}
element("examples").hidden = false;
element("schema").hidden = false;
element("example").addEventListener("change", (event) => {
  element("query").value = examples[event.target.value];
});
element("schema").addEventListener("toggle", showSchema);
element("request").addEventListener("submit", (event) => {
  event.preventDefault();
  ask();
});
element("request").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    ask();
  }
});
