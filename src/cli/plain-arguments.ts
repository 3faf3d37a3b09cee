/**
 * Reads a command line that is written as most are. It gives up, and the caller asks commander, at anything else: help,
 * an unknown option, a missing value, too many arguments. A test holds the two against each other.
 */
import type { OptionRecipe, Recipe } from "./recipe.ts";

/** What an action gets. */
export interface PlainCall {
  readonly recipe: Recipe;
  readonly values: readonly (string | string[] | undefined)[];
  readonly options: Readonly<Record<string, string | boolean | readonly string[]>>;
}

/** The call that `argv` stands for; undefined when it takes more than this to know. */
export function plainCall(recipe: Recipe, argv: readonly string[]): PlainCall | undefined {
  const child = recipe.commands.find(({ name }) => name === argv[0]);
  if (child !== undefined) return plainCall(child, argv.slice(1));
  const reading = new Reading(recipe);
  if (recipe.run === undefined || !reading.read(argv)) return undefined;
  const values = distribute(recipe, reading.operands);
  return values === undefined ? undefined : { recipe, values, options: reading.options };
}

interface Known {
  readonly option: OptionRecipe;
  /** In camel case, without the "no" of a negated one. */
  readonly key: string;
  readonly negated: boolean;
  readonly takesValue: boolean;
}

/** Only the options that are given are looked at closely: a command has dozens, and this runs before anything else. */
class Reading {
  readonly operands: string[] = [];
  readonly options: Record<string, string | boolean | readonly string[]> = {};
  readonly #recipe: Recipe;

  constructor(recipe: Recipe) {
    this.#recipe = recipe;
    for (const option of recipe.options) {
      const { flags, fallback } = option;
      if (fallback !== undefined) this.options[known(option).key] = fallback;
      // As commander has it: an option that can only be switched off is on.
      if (flags.startsWith("--no-") && this.#find(flags.replace("--no-", "--")) === undefined) {
        this.options[known(option).key] = true;
      }
    }
  }

  #find(name: string): Known | undefined {
    const option = this.#recipe.options.find(({ flags }) => flags.includes(name) && namesOf(flags).includes(name));
    return option === undefined ? undefined : known(option);
  }

  /** False when something is not plain. */
  read(argv: readonly string[]): boolean {
    const left = [...argv];
    for (let argument = left.shift(); argument !== undefined; argument = left.shift()) {
      if (argument === "--") {
        this.operands.push(...left);
        return true;
      }
      if (argument.length < 2 || !argument.startsWith("-")) {
        this.operands.push(argument, ...(this.#recipe.passThrough ? left.splice(0) : []));
      } else if (!this.#readOption(argument, left)) return false;
    }
    return true;
  }

  #readOption(argument: string, left: string[]): boolean {
    const known = this.#find(argument);
    if (known === undefined)
      return argument.startsWith("--") ? this.#readLong(argument) : this.#readShort(argument, left);
    return this.#set(known, known.takesValue ? left.shift() : undefined);
  }

  /** --name=value */
  #readLong(argument: string): boolean {
    const at = argument.indexOf("=");
    const known = at < 0 ? undefined : this.#find(argument.slice(0, at));
    return known?.takesValue === true && this.#set(known, argument.slice(at + 1));
  }

  /** -nVALUE, or -abc for -a -b -c. */
  #readShort(argument: string, left: string[]): boolean {
    const known = this.#find(argument.slice(0, 2));
    if (known === undefined || argument.length < 3) return false;
    if (known.takesValue) return this.#set(known, argument.slice(2));
    return this.#set(known, undefined) && this.#readOption(`-${argument.slice(2)}`, left);
  }

  #set({ option, key, negated, takesValue }: Known, value: string | undefined): boolean {
    // A value that may be left out is not plain.
    if (option.flags.includes(" [")) return false;
    if (!takesValue) {
      this.options[key] = !negated;
      return true;
    }
    if (value === undefined || option.choices?.includes(value) === false) return false;
    const before = this.options[key];
    this.options[key] = option.collector?.(value, Array.isArray(before) ? before : []) ?? value;
    return true;
  }
}

/** The names in "-n, --tail <lines>". */
function namesOf(flags: string): string[] {
  return flags.split(/[ ,|]+/).filter((part) => part.startsWith("-"));
}

function known(option: OptionRecipe): Known {
  const long = namesOf(option.flags).find((name) => name.startsWith("--")) ?? "";
  const negated = long.startsWith("--no-");
  const word = long.slice(negated ? "--no-".length : "--".length);
  const key = word.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
  return { option, key, negated, takesValue: /[<[]/.test(option.flags) };
}

/** The operands as the recipe's arguments. */
function distribute(recipe: Recipe, operands: readonly string[]): (string | string[] | undefined)[] | undefined {
  const left = [...operands];
  const values: (string | string[] | undefined)[] = [];
  for (const { syntax } of recipe.arguments) {
    if (syntax.startsWith("<") && left.length === 0) return undefined;
    values.push(/\.\.\.[>\]]$/.test(syntax) ? left.splice(0) : left.shift());
  }
  return left.length === 0 ? values : undefined;
}
