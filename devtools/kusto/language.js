// Kusto's own language service over queries: `node language.js FOLDER`, where FOLDER has it in node_modules. Standard
// input: {"tables": {name: {column: type}}, "queries": {name: text}}. Standard output: for each query
// {"problems": [{"severity", "code", "message", "line", "column"}], "columns": {name: type} | null, "tree": node}.
//
// A node of the tree is {"kind": …} with its parts by the service's own names; a token is its text, a list an array,
// a literal {"kind": …, "value": …}: text, number, truth value, or a timespan's seconds. What a call calls is in its
// "calls", as the service bound it.
"use strict";
const path = require("node:path");

const service = path.join(path.resolve(process.argv[2]), "node_modules", "@kusto", "language-service-next");
require(path.join(service, "bridge.min.js"));
require(path.join(service, "Kusto.Language.Bridge.min.js"));
const { GlobalState, KustoCode, Symbols, Syntax } = globalThis.Kusto.Language;

function workspace(tables) {
  const made = Object.entries(tables).map(([name, columns]) => {
    const schema = Object.entries(columns).map(([column, type]) => `${column}:${type}`);
    return new Symbols.TableSymbol.$ctor7(name, `(${schema.join(",")})`, null);
  });
  const members = System.Array.init(made, Symbols.Symbol);
  return GlobalState.Default.WithDatabase(new Symbols.DatabaseSymbol.$ctor2("workspace", null, members));
}

function read(text, globals) {
  const code = KustoCode.ParseAndAnalyze(text, globals);
  const problems = Bridge.toArray(code.GetDiagnostics()).map((it) => {
    const before = text.slice(0, it.Start).split("\n");
    const [line, column] = [before.length, before.at(-1).length + 1];
    return { severity: it.Severity, code: it.Code, message: it.Message, line, column };
  });
  return { problems, columns: columnsOf(code.ResultType), tree: node(code.Syntax) };
}

function columnsOf(type) {
  if (!(type instanceof Symbols.TableSymbol)) return null;
  return Object.fromEntries(Bridge.toArray(type.Columns).map((it) => [it.Name, it.Type.Name]));
}

function node(it) {
  if (it === null) return null;
  if (it.IsToken) return it.Text;
  const kind = System.Enum.toString(Syntax.SyntaxKind, it.Kind);
  const children = Array.from({ length: it.ChildCount }, (_, index) => index);
  // Of what a list holds, its separators say nothing.
  if (kind === "List") return children.map((index) => node(it.GetChild(index)));
  if (kind === "SeparatedElement") return node(it.GetChild(0));
  if (it.IsLiteral) return { kind, value: literal(it.LiteralValue) };
  const parts = { kind };
  for (const index of children) parts[it.GetName(index)] = node(it.GetChild(index));
  if (kind === "FunctionCallExpression") parts.calls = it.ReferencedSymbol ? it.ReferencedSymbol.Name : null;
  return parts;
}

function literal(value) {
  if (value instanceof System.TimeSpan) return value.getTotalSeconds();
  if (value instanceof System.Int64 || value instanceof System.Decimal) return Number(value.toString());
  return Bridge.unbox(value, true);
}

const chunks = [];
process.stdin.on("data", (chunk) => chunks.push(chunk));
process.stdin.on("end", () => {
  const { tables, queries } = JSON.parse(Buffer.concat(chunks).toString("utf8"));
  const globals = workspace(tables);
  const answer = Object.entries(queries).map(([name, text]) => [name, read(text, globals)]);
  process.stdout.write(JSON.stringify(Object.fromEntries(answer)));
});
