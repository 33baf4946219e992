// Sends the request without reloading the page, offers examples, and loads the schema on demand.
"use strict";

const examples = {
  "the newest matched sessions": document.getElementById("query").value,
  "occupancy by lot": "{\n  lots { id kind capacity inside time }\n}",
  "unmatched exits of a lot": `query ($lot: String) {
  sessions(lotId: $lot, states: ["unmatched_exit"], first: 20) {
    nodes { sessionId vehiclePlate exitDateTime reason lot { id inside } }
    pageInfo { hasNextPage endCursor }
  }
}`,
  "void sessions and the sessions that superseded them": `{
  sessions(states: ["void"], first: 20) {
    nodes { sessionId state supersedingSession { sessionId state dwellSeconds } }
  }
}`,
  "why the newest unmatched exit has no entry": `{
  sessions(states: ["unmatched_exit"], first: 1) {
    nodes { story { explanation { text cause nearPlates { distance session { vehiclePlate } } } changes { toState rule recordedAt } } }
  }
}`,
  "statistics of a lot for a day": `query ($lot: String! = "central-mall") {
  statistics(lotId: $lot) {
    buckets { from entries exits unmatchedExits averageDwellTime occupancy }
    total { entries exits dwellP50Seconds dwellP99Seconds }
  }
}`,
  "health of the gates": "{\n  gates { lotId gateId lastEventDateTime readsLastHour lateShareLastHour clockDifferenceSeconds }\n}",
  "the first changes": `{
  changes(after: 0, first: 10) {
    changes { sequence fromState toState rule recordedAt session { lotId vehiclePlate } }
    nextAfter
  }
}`,
};

const element = (id) => document.getElementById(id);

function showStatus(text) {
  element("status").textContent = text;
}

function variables() {
  const text = element("variables").value.trim();
  return text === "" ? undefined : JSON.parse(text);
}

async function run() {
  let request;
  try {
    request = { query: element("query").value, variables: variables() };
  } catch (error) {
    showStatus(`The variables are not valid JSON: ${error.message}`);
    return;
  }
  showStatus("Sending …");
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
    showStatus(problem ? `Refused: ${problem}` : `Response after ${taken} ms.`);
  } catch (error) {
    showStatus(`No response: ${error.message}`);
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
  run();
});
element("request").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    run();
  }
});
