/** Memory pages of checkpoints: stored once, found by where they were in CRIU's pages files. */
import { join } from "node:path";
import { ThawError } from "../../common/errors.ts";
import { entriesOf } from "../files.ts";
import { PACKS, PAGES_FILE, RECIPES } from "./packs.ts";
import { decodeRecipe, PAGE, type Recipe, runsOf } from "./recipe.ts";

export { PAGES_FILE, PackStore, type Scans } from "./packs.ts";
export { PAGE } from "./recipe.ts";

/** Pages in a row that are in one file. */
export interface PlacedRun {
  /** Path of the file in the checkpoint's directory. */
  readonly file: string;
  /** First page in it. */
  readonly first: number;
  readonly pages: number;
  /** All of them are zeros, which the file has, too. */
  readonly zeros: boolean;
}

/** Where the pages of a checkpoint are. */
export class PageTable {
  readonly #recipes: ReadonlyMap<string, Recipe>;
  readonly #plain: ReadonlyMap<string, number>;

  private constructor(recipes: ReadonlyMap<string, Recipe>, plain: ReadonlyMap<string, number>) {
    this.#recipes = recipes;
    this.#plain = plain;
  }

  /** Reads the recipes in a checkpoint's directory. @throws ThawError INVALID when one is damaged. */
  static async open(checkpoint: string): Promise<PageTable> {
    const recipes = new Map<string, Recipe>();
    const plain = new Map<string, number>();
    for (const name of await entriesOf(join(checkpoint, RECIPES))) {
      recipes.set(name, decodeRecipe(await Bun.file(join(checkpoint, RECIPES, name)).bytes()));
    }
    for (const name of await entriesOf(join(checkpoint, "images"))) {
      if (PAGES_FILE.test(name)) plain.set(name, Bun.file(join(checkpoint, "images", name)).size / PAGE);
    }
    return new PageTable(recipes, plain);
  }

  /** Names of CRIU's pages files that are not there as files. */
  get gathered(): string[] {
    return [...this.#recipes.keys()].filter((name) => !this.#plain.has(name)).sort();
  }

  /** Pages of one pages file; 0 when there is none of that name. */
  pagesOf(name: string): number {
    return this.#recipes.get(name)?.pages ?? this.#plain.get(name) ?? 0;
  }

  /** Pages of all pages files. */
  get pages(): number {
    const recipes = [...this.#recipes.values()].reduce((total, { pages }) => total + pages, 0);
    const plain = [...this.#plain].filter(([name]) => !this.#recipes.has(name));
    return plain.reduce((total, [, pages]) => total + pages, recipes);
  }

  /**
   * Where `pages` pages from page `first` of one of CRIU's pages files ("pages-1.img") on are.
   * @throws ThawError INVALID when the checkpoint has no such pages.
   */
  runs(name: string, first: number, pages: number): PlacedRun[] {
    const recipe = this.#recipes.get(name);
    if (recipe) {
      return place(recipe, first, pages);
    }
    const all = this.#plain.get(name);
    if (all === undefined || first < 0 || pages < 0 || first + pages > all) {
      throw new ThawError(
        "INVALID",
        `${name}: expected pages ${first} to ${first + pages}, there are ${all ?? "none"}`,
      );
    }
    return pages === 0 ? [] : [{ file: `images/${name}`, first, pages, zeros: false }];
  }
}

function place(recipe: Recipe, first: number, pages: number): PlacedRun[] {
  let at = first;
  return runsOf(recipe, first, pages).map((run) => {
    const from = at;
    at += run.pages;
    // What the file itself does not have any more is zeros in its pack, where it was.
    if (run.pack === undefined) return { file: `${PACKS}/${recipe.own}`, first: from, pages: run.pages, zeros: true };
    return { file: `${PACKS}/${run.pack}`, first: run.first, pages: run.pages, zeros: false };
  });
}
