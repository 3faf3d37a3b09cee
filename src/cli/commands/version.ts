/** thaw version */
import type { VersionAnswer } from "../../api/system.ts";
import { VERSION } from "../../common/version.ts";
import { makeCommand } from "../command.ts";
import { passiveClient } from "../context.ts";
import { print } from "../print.ts";

export const command = () =>
  makeCommand("version", "Show the versions of thaw and of its daemon, if one runs.", [
    ["thaw version", "starts nothing"],
  ]).action(async () => {
    print(`thaw ${VERSION} (Bun ${Bun.version})`);
    const daemon = await passiveClient()
      .json<VersionAnswer>("version")
      .catch(() => undefined);
    print(
      daemon === undefined
        ? "no daemon runs"
        : `daemon ${daemon.Version}, API ${daemon.ApiVersion}, kernel ${daemon.KernelVersion}`,
    );
  });
