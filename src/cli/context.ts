/**
 * What every command works with: the client that starts a daemon when none answers, and ways to print.
 */
import { ApiClient } from "../api/client.ts";
import { type Paths, thawPaths } from "../common/paths.ts";

export interface Context {
  readonly paths: Paths;
  readonly client: ApiClient;
}

/** The context of this invocation. Nothing is opened or started by it. */
export function makeContext(): Context {
  const paths = thawPaths();
  return {
    paths,
    client: new ApiClient(paths.apiSocket, async () => {
      const { startDaemon } = await import("./start-daemon.ts");
      await startDaemon(paths);
    }),
  };
}

/** A client that starts nothing: for asking whether a daemon runs. */
export function passiveClient(): ApiClient {
  return new ApiClient(thawPaths().apiSocket);
}
