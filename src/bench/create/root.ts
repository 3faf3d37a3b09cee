/** The smallest root in which /bin/true runs: the program itself and the libraries it loads, from the host. */
import { cp, mkdir, realpath } from "node:fs/promises";
import { dirname, join } from "node:path";
import { exec } from "../../common/exec.ts";

/** Makes such a root at `directory` and returns it. */
export async function makeRoot(directory: string): Promise<string> {
  for (const name of ["proc", "dev", "sys", "tmp", "etc", "bin"])
    await mkdir(join(directory, name), { recursive: true });
  const { stdout } = await exec(["ldd", "/bin/true"]);
  const libraries = [...stdout.matchAll(/(\/\S+)/g)].map(([path]) => path);
  for (const path of ["/bin/true", ...libraries]) {
    const to = join(directory, path);
    await mkdir(dirname(to), { recursive: true });
    await cp(await realpath(path), to);
  }
  return directory;
}
