/**
 * The host's side of networks: bridges, thaw's table, and forwarding. Rare changes, one after another; nothing here
 * runs when a container starts. Interfaces and the table carry the daemon's own digits, so that daemons with other
 * directories are not disturbed and leftovers are known.
 */
import { createHash, randomBytes } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { ThawError } from "../common/errors.ts";
import { exec } from "../common/exec.ts";
import type { HostOp, Op } from "../launcher/generated/protocol.ts";
import { describeFailure, type LauncherClient, runToEnd } from "../launcher/index.ts";
import { addressBytes, macBytes, macOf, parseSubnet } from "./address.ts";
import { deleteLink, linkUp, newAddress, newBridge, routeLocalnet, withoutLinkLocal } from "./netlink/route.ts";
import { INTERFACE_PREFIX, NFT_ENV, networksText, nft, publishedKeys, tableText, withdrawText } from "./table.ts";
import type { Network } from "./types.ts";
import { hasIpv6, onHost } from "./wiring.ts";

const EEXIST = 17;
const ENODEV = 19;
const FORWARD4 = "/proc/sys/net/ipv4/ip_forward";
const FORWARD6 = "/proc/sys/net/ipv6/conf/all/forwarding";
const INTERFACES = "/sys/class/net";
const INTERFACE_DIGITS = 6;

/** What one daemon's networks are to the kernel. */
export class HostNetworks {
  readonly #launcher: LauncherClient;
  /** Name of the table: `thaw-` and 8 digits of the run directory. */
  readonly table: string;
  readonly #prefix: string;

  constructor(launcher: LauncherClient, runDirectory: string) {
    const digits = createHash("sha256").update(runDirectory).digest("hex");
    this.#launcher = launcher;
    this.table = `thaw-${digits.slice(0, 8)}`;
    this.#prefix = `${INTERFACE_PREFIX}${digits.slice(0, INTERFACE_DIGITS)}`;
  }

  /** A number below `count` that differs from daemon to daemon. */
  spread(count: number): number {
    return Number.parseInt(this.table.slice(-8), 16) % count;
  }

  bridgeName(index: number): string {
    return `${this.#prefix}b${index.toString(36)}`;
  }

  vethName(index: number): string {
    return `${this.#prefix}v${index.toString(36)}`;
  }

  /** Names of this daemon's bridges that exist. */
  bridges(): string[] {
    return readdirSync(INTERFACES).filter((name) => name.startsWith(`${this.#prefix}b`));
  }

  /** Makes a network's bridge, or completes the one that is there. Resolves with its interface number. */
  async makeBridge({ bridge, mtu, subnet, subnet6 }: Network): Promise<number> {
    const link = newBridge(bridge, macBytes(macOf(subnet.gateway)), mtu);
    const quiet = subnet6 === undefined && hasIpv6() ? [withoutLinkLocal(bridge)] : [];
    const messages = [link, ...quiet, linkUp(bridge), routeLocalnet(bridge)];
    await this.#run(onHost(messages, EEXIST), `making the bridge ${bridge}`);
    const index = Number(readFileSync(`${INTERFACES}/${bridge}/ifindex`, "utf8"));
    const addresses = [subnet, ...(subnet6 ? [subnet6] : [])].map(({ cidr, gateway }) =>
      newAddress(index, addressBytes(gateway), parseSubnet(cidr).prefix),
    );
    await this.#run(onHost(addresses, EEXIST), `giving the bridge ${bridge} its address`);
    return index;
  }

  /** Missing is fine. */
  async removeBridge(bridge: string): Promise<void> {
    await this.#run(onHost([deleteLink(bridge)], ENODEV), `removing the bridge ${bridge}`);
  }

  /** Removes all interfaces of this daemon, those of sandboxes too that are about to end. */
  async removeInterfaces(): Promise<void> {
    const mine = readdirSync(INTERFACES).filter((name) => name.startsWith(this.#prefix));
    if (mine.length > 0) await this.#run(onHost(mine.map(deleteLink), ENODEV), "removing the networks' interfaces");
  }

  /** Runs a plan of netlink messages in a process of its own. @throws ThawError UNSUPPORTED_MACHINE with the kernel's words. */
  async #run(plan: Op[], what: string): Promise<void> {
    await this.run(plan, what, "");
  }

  /** Performs host operations. @throws ThawError LAUNCHER_FAILED. */
  async change(plan: readonly HostOp[]): Promise<void> {
    if (plan.length === 0) return;
    const id = `network-${randomBytes(8).toString("hex")}`;
    // Without a process of its own a plan is answered when it is done.
    await this.#launcher.request({ kind: "run", id, sandbox: "", stdio: 0, log: "", plan, cleanup: [] });
  }

  /** The same about a container's sandbox. */
  async run(plan: readonly Op[], what: string, sandbox: string): Promise<void> {
    const id = `network-${randomBytes(8).toString("hex")}`;
    const run = { kind: "run", id, sandbox, stdio: 0, log: "", plan, cleanup: [] } as const;
    await runToEnd(this.#launcher, run, {
      onFailed: (event) => new ThawError("UNSUPPORTED_MACHINE", `${what} failed: ${describeFailure(event)}`),
    });
  }

  /** Makes the table anew. @param guard  see `allowForwarding`. */
  async replaceTable(networks: readonly Network[], published: readonly string[], guard: boolean): Promise<void> {
    await nft(tableText({ name: this.table, networks, published, guard }));
  }

  /** Tells the table what networks there are. */
  async updateTable(networks: readonly Network[]): Promise<void> {
    await nft(networksText({ name: this.table, networks }));
  }

  /** Keys of the ports that the table publishes; undefined when it is not there, or was made with other rules. */
  async publishedKeys(guard: boolean): Promise<string[] | undefined> {
    const { exitCode, stdout } = await exec(["nft", "list", "table", "inet", this.table], { env: NFT_ENV });
    return exitCode === 0 ? publishedKeys(stdout, guard) : undefined;
  }

  /** Takes ports out of the table. One that goes by itself meanwhile is fine. */
  async withdraw(keys: readonly string[]): Promise<void> {
    if (keys.length === 0) return;
    try {
      await nft(withdrawText(this.table, keys));
    } catch {
      for (const key of keys) await nft(withdrawText(this.table, [key])).catch(() => {});
    }
  }

  /** Removes the table. Missing is fine; so is a machine without nft. */
  async removeTable(): Promise<void> {
    await nft(`table inet ${this.table} {}\ndelete table inet ${this.table}\n`);
  }

  /**
   * Lets the machine pass packets on. Resolves with whether it did not before, or did only for another daemon: then
   * the table's guard keeps it from passing on any but thaw's, and `forbidForwarding` undoes it.
   */
  async allowForwarding(ipv6: boolean): Promise<boolean> {
    if (ipv6 && readNumber(FORWARD6) === 0) {
      keepRouterAdvertisements();
      writeFileSync(FORWARD6, "1");
    }
    if (readNumber(FORWARD4) !== 0) return this.#othersGuard();
    writeFileSync(FORWARD4, "1");
    return true;
  }

  /** Whether another daemon switched forwarding on, and guards it as long as it is there. */
  async #othersGuard(): Promise<boolean> {
    const { stdout } = await exec(["nft", "list", "chains"], { env: NFT_ENV });
    return stdout.split(/^table /m).some((text) => text.startsWith("inet thaw-") && text.includes("chain guard {"));
  }

  /** Switches forwarding off again, unless others may rely on it by now: other daemons, or another firewall's rules. */
  async forbidForwarding(): Promise<void> {
    const { exitCode, stdout } = await exec(["nft", "list", "chains"], { env: NFT_ENV });
    const legacy = readText("/proc/net/ip_tables_names").trim();
    if (exitCode === 0 && !/hook (forward|postrouting)/.test(stdout) && legacy === "") writeFileSync(FORWARD4, "0");
  }
}

/** A machine that forwards ignores the announcements of routers, which it may live on, unless it is told not to. */
function keepRouterAdvertisements(): void {
  const directory = "/proc/sys/net/ipv6/conf";
  for (const name of readdirSync(directory)) {
    const file = `${directory}/${name}/accept_ra`;
    if (readNumber(file) === 1) writeFileSync(file, "2");
  }
}

function readNumber(file: string): number | undefined {
  const text = readText(file).trim();
  return text === "" ? undefined : Number(text);
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
