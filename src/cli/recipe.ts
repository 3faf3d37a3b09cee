/**
 * What a command is: its words, options, arguments and action, kept as data. Two readers understand it. commander
 * (commander.ts) knows everything about it: help, mistakes, odd spellings; loading it takes 3 ms, which is as long as
 * this whole program needs to start. So plain-arguments.ts is asked first, and commander only when that does not
 * understand the line. The methods below are named and used as commander's.
 */

/** One example for the help: what is typed, and what it does. */
export type Example = readonly [typed: string, does: string];

/** Gathers the values of an option that may be given more than once. */
export type Collector = (value: string, before?: readonly string[]) => string[];

export interface OptionRecipe {
  /** As commander writes them: "-n, --tail <lines>". */
  readonly flags: string;
  readonly description: string;
  readonly collector?: Collector;
  readonly fallback?: string;
  /** The values there are; undefined: any. */
  readonly choices?: readonly string[];
  /** The heading in the help that it stands under. */
  readonly group: string | undefined;
  /** Not shown in the help. */
  readonly hidden?: boolean;
}

export interface ArgumentRecipe {
  /** "<name>", "[name]", "<name...>" or "[name...]". */
  readonly syntax: string;
  readonly description: string;
}

/** Called with each argument, then the options by their names in camel case. */
export type Action = (...values: never[]) => Promise<void> | void;

/** An action's own types are those of the recipe it stands in: only the command's file knows both. */
export function perform(action: Action, values: readonly unknown[]): Promise<void> | void {
  return action(...(values as never[]));
}

/** One command, or a group of them. */
export class Recipe {
  readonly name: string;
  readonly description: string;
  readonly examples: readonly Example[];
  readonly options: OptionRecipe[] = [];
  readonly arguments: ArgumentRecipe[] = [];
  readonly commands: Recipe[] = [];
  usageText: string | undefined;
  #group: string | undefined;
  /** Nothing after the first argument is an option of this command. */
  passThrough = false;
  allowUnknown = false;
  run: Action | undefined;
  wordsRun: ((words: readonly string[]) => void) | undefined;

  constructor(name: string, description: string, examples: readonly Example[]) {
    this.name = name;
    this.description = description;
    this.examples = examples;
  }

  usage(text: string): this {
    this.usageText = text;
    return this;
  }

  argument(syntax: string, description: string): this {
    this.arguments.push({ syntax, description });
    return this;
  }

  /** @param more  the value when it is not given, or what gathers the values of several. */
  option(flags: string, description: string, more?: string | Collector): this {
    const extra = typeof more === "string" ? { fallback: more } : more === undefined ? {} : { collector: more };
    this.options.push({ flags, description, group: this.#group, ...extra });
    return this;
  }

  /** The options that follow stand under this heading. */
  optionsGroup(heading: string): this {
    this.#group = heading;
    return this;
  }

  /** An option with one of a few values. @param fallback  the value when it is not given. */
  choice(flags: string, description: string, choices: readonly string[], fallback: string): this {
    this.options.push({ flags, description, group: this.#group, choices, fallback });
    return this;
  }

  /** An option that people have no use for. */
  hiddenOption(flags: string, description: string): this {
    this.options.push({ flags, description, group: this.#group, hidden: true });
    return this;
  }

  passThroughOptions(): this {
    this.passThrough = true;
    return this;
  }

  allowUnknownOption(): this {
    this.allowUnknown = true;
    return this;
  }

  action(run: Action): this {
    this.run = run;
    return this;
  }

  /** For what is used with no command of its own, with any words: they are in no help. */
  anyWords(run: (words: readonly string[]) => void): this {
    this.wordsRun = run;
    return this;
  }

  addCommand(command: Recipe): this {
    this.commands.push(command);
    return this;
  }
}
