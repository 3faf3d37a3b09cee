/**
 * The words of a Dockerfile instruction: quotes, escapes and `$VAR`, `${VAR}`, `${VAR:-word}`, `${VAR:+word}` as
 * Docker reads them. (RUN, CMD and ENTRYPOINT are not expanded here; their shell does that.)
 */
import { ThawError } from "../../common/errors.ts";

/** The values that `$NAME` stands for. */
export type Variables = ReadonlyMap<string, string>;

/** Splits `text` into words, quotes removed and variables expanded. @throws ThawError INVALID for an open quote. */
export function splitWords(text: string, variables: Variables): string[] {
  return new Lexer(text, variables).words();
}

/** Expands `text` as one word (blanks are kept). @throws ThawError INVALID for an open quote. */
export function expandWord(text: string, variables: Variables): string {
  return new Lexer(text, variables).whole();
}

class Lexer {
  readonly #text: string;
  readonly #variables: Variables;
  #at = 0;

  constructor(text: string, variables: Variables) {
    this.#text = text;
    this.#variables = variables;
  }

  words(): string[] {
    const words: string[] = [];
    for (;;) {
      while (/\s/.test(this.#peek())) this.#at += 1;
      if (this.#peek() === "") return words;
      let word = "";
      while (this.#peek() !== "" && !/\s/.test(this.#peek())) word += this.#piece();
      words.push(word);
    }
  }

  whole(): string {
    let word = "";
    while (this.#peek() !== "") word += this.#piece();
    return word;
  }

  #peek(): string {
    return this.#text.charAt(this.#at);
  }

  #next(): string {
    const char = this.#peek();
    this.#at += 1;
    return char;
  }

  #piece(): string {
    const char = this.#next();
    if (char === "\\") return this.#next() || "\\";
    if (char === "'") return this.#singleQuoted();
    if (char === '"') return this.#doubleQuoted();
    return char === "$" ? this.#variable() : char;
  }

  #singleQuoted(): string {
    const end = this.#text.indexOf("'", this.#at);
    if (end < 0) throw openQuote("'");
    const content = this.#text.slice(this.#at, end);
    this.#at = end + 1;
    return content;
  }

  #doubleQuoted(): string {
    let content = "";
    for (let char = this.#next(); char !== '"'; char = this.#next()) {
      if (char === "") throw openQuote('"');
      if (char === "$") content += this.#variable();
      else if (char === "\\" && /["$\\]/.test(this.#peek())) content += this.#next();
      else content += char;
    }
    return content;
  }

  #variable(): string {
    const [plain] = /^(?:[A-Za-z_][A-Za-z0-9_]*)/.exec(this.#text.slice(this.#at)) ?? [];
    if (plain !== undefined) {
      this.#at += plain.length;
      return this.#variables.get(plain) ?? "";
    }
    if (this.#peek() !== "{") return "$";
    const end = this.#closingBrace();
    const [, name = "", operator, word = ""] =
      /^([A-Za-z_][A-Za-z0-9_]*)(?:(:?[-+])(.*))?$/s.exec(this.#text.slice(this.#at + 1, end)) ?? [];
    if (name === "") throw new ThawError("UNSUPPORTED", `cannot expand $${this.#text.slice(this.#at, end + 1)}`);
    this.#at = end + 1;
    const value = this.#variables.get(name);
    const given = operator?.startsWith(":") ? value !== undefined && value !== "" : value !== undefined;
    if (operator?.endsWith("-")) return given ? (value ?? "") : expandWord(word, this.#variables);
    if (operator?.endsWith("+")) return given ? expandWord(word, this.#variables) : "";
    return value ?? "";
  }

  #closingBrace(): number {
    let depth = 0;
    for (let at = this.#at; at < this.#text.length; at++) {
      if (this.#text[at] === "{") depth += 1;
      if (this.#text[at] === "}") depth -= 1;
      if (depth === 0) return at;
    }
    throw new ThawError("INVALID", `\${ without } in ${JSON.stringify(this.#text)}`);
  }
}

function openQuote(quote: string): ThawError {
  return new ThawError("INVALID", `a ${quote} is not closed`);
}
