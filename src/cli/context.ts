/**
 * What every command works with: the client that starts a daemon when none answers, and ways to print.
 */
import { ApiClient } from "../api/client.ts";
import { type Paths, thawPaths } from "../common/paths.ts";

/** The other programs in this program, loaded when they are run: commands know them by these types only. */
export interface Programs {
  readonly daemon: () => Promise<{
    runDaemon(paths: Paths, options: { announce: boolean }): Promise<void>;
    setup(paths: Paths, progress: (line: string) => void): Promise<string[]>;
  }>;
  readonly bench: () => Promise<{ main(argv: readonly string[]): Promise<void> }>;
}

export interface Context {
  readonly paths: Paths;
  readonly client: ApiClient;
}

/** What a command gets when it is made. */
export interface CommandContext extends Context {
  readonly programs: Programs;
}

/** The context of this invocation: its client starts a daemon when none answers. Nothing is started by making it. */
export function makeContext(): Context {
  const paths = thawPaths();
  const client = new ApiClient(paths.apiSocket, async () => {
    const { startDaemon } = await import("./start-daemon.ts");
    await startDaemon(paths);
  });
  return { paths, client };
}

/** A client that starts nothing: for asking whether a daemon runs. */
export function passiveClient(): ApiClient {
  return new ApiClient(thawPaths().apiSocket);
}
