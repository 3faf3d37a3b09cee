/** What the parts of the service manager share. */
import type { Database } from "bun:sqlite";
import type { Checkpoints } from "../checkpoint/index.ts";
import type { Containers } from "../container/index.ts";
import type { LauncherClient } from "../launcher/index.ts";
import type { Cgroups } from "../sandbox/index.ts";
import type { Live } from "./live.ts";
import type { ResolveService, ServiceGateway } from "./ports.ts";
import type { LifeEvent } from "./state.ts";
import type { ServiceRow, ServiceStore } from "./store.ts";

export interface ServiceDeps {
  readonly database: Database;
  readonly client: LauncherClient;
  readonly cgroups: Cgroups;
  readonly containers: Containers;
  readonly checkpoints: Checkpoints;
  readonly gateway: ServiceGateway;
  readonly resolve: ResolveService;
  /** What the memory of all sleeping services may take, bytes. */
  readonly memoryBudget: number;
  /** Takes a line about what goes on in the background; nothing when not given. */
  readonly log?: (line: string) => void;
}

/** Those, and the means to change a service. */
export interface ServiceWorld extends ServiceDeps {
  readonly store: ServiceStore;
  readonly live: Map<string, Live>;
  readonly happen: (live: Live, event: LifeEvent) => void;
  readonly save: (live: Live, row: ServiceRow) => void;
}
