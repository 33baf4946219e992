// Compares every dashboard with Grafana's own schema, by the TypeScript compiler. Exits 1 with what differs, and where.
//
//   node tests/browser/dashboards.mjs
//
// Needs `npm ci` in this folder. What the dashboards ask Prometheus is tested elsewhere, on a real Prometheus.

import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const HERE = path.dirname(fileURLToPath(import.meta.url));
const FOLDER = path.join(HERE, "../../grafana/dashboards");
const OPTIONS = {
  module: ts.ModuleKind.ESNext,
  // The schema's paths of single panels are of no entry in its package file.
  moduleResolution: ts.ModuleResolutionKind.Node10,
  noEmit: true,
  skipLibCheck: true,
  strict: true,
  target: ts.ScriptTarget.ES2022,
  types: [],
};

/** What is wrong in these files of JSON, given by name: one line each. */
function differences(files) {
  const sources = new Map(
    Object.entries(files).map(([name, json]) => [
      path.join(HERE, `${name}.ts`),
      `import type { DashboardFile } from "./dashboard";\nexport const dashboard: DashboardFile =\n${json};\n`,
    ]),
  );
  const host = ts.createCompilerHost(OPTIONS);
  const [fileExists, readFile, getSourceFile] = [host.fileExists, host.readFile, host.getSourceFile].map((f) => f.bind(host));
  host.fileExists = (name) => sources.has(name) || fileExists(name);
  host.readFile = (name) => sources.get(name) ?? readFile(name);
  host.getSourceFile = (name, ...rest) =>
    sources.has(name) ? ts.createSourceFile(name, sources.get(name), ...rest) : getSourceFile(name, ...rest);
  const found = ts.getPreEmitDiagnostics(ts.createProgram([...sources.keys()], OPTIONS, host));
  return found.map((one) => {
    const text = ts.flattenDiagnosticMessageText(one.messageText, "\n");
    if (!one.file) return text;
    // Two lines stand before the JSON.
    const line = one.file.getLineAndCharacterOfPosition(one.start).line - 1;
    return `${path.basename(one.file.fileName, ".ts")}:${line}: ${text}`;
  });
}

/** The check finds each kind of mistake; one that finds nothing proves nothing. */
function proveItself(json) {
  const mistakes = {
    "a list as a colour": ['"color": "green"', '"color": ["green"]'],
    "an unknown option": ['"colorMode":', '"colourMode":'],
    "an unknown value": ['"mode": "absolute"', '"mode": "relative"'],
    "an unknown kind of panel": ['"type": "stat"', '"type": "stats"'],
    "a number as text": ['"schemaVersion": 39', '"schemaVersion": "39"'],
  };
  const spoilt = Object.entries(mistakes).map(([name, [right, wrong]]) => {
    if (!json.includes(right)) throw new Error(`no dashboard has ${right}`);
    return [name, json.replace(right, wrong)];
  });
  const found = differences(Object.fromEntries(spoilt));
  const missed = spoilt.map(([name]) => name).filter((name) => !found.some((line) => line.startsWith(`${name}:`)));
  if (missed.length > 0) throw new Error(`the comparison does not find ${missed.join(", ")}`);
}

const files = Object.fromEntries(
  fs.readdirSync(FOLDER).map((name) => [name, fs.readFileSync(path.join(FOLDER, name), "utf8")]),
);
const found = differences(files);
found.forEach((line) => console.error(line));
if (found.length === 0) proveItself(files["service.json"]);
console.log(`${Object.keys(files).length} dashboards compared with Grafana's schema: ${found.length} differences`);
process.exit(found.length === 0 ? 0 : 1);
