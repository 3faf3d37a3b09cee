/** thaw port */
import type { ContainerDetails } from "../../api/containers.ts";
import { ThawError } from "../../common/errors.ts";
import { makeCommand } from "../command.ts";
import type { Context } from "../context.ts";
import { print } from "../print.ts";

type Bindings = Readonly<Record<string, readonly { readonly HostIp: string; readonly HostPort: string }[] | null>>;

export const command = ({ client }: Context) =>
  makeCommand("port", "Show where a container's ports are published.", [
    ["thaw port web", "all of them"],
    ["thaw port web 53/udp", "one; TCP when nothing is said"],
  ])
    .argument("<container>", "name or id")
    .argument("[port]", "a port of the container, such as 80 or 53/udp")
    .action(async (id: string, port?: string) => {
      const { NetworkSettings } = await client.json<ContainerDetails>("containerInspect", { params: { id } });
      // The daemon's own answer.
      const bindings = NetworkSettings.Ports as Bindings;
      const wanted = port === undefined ? undefined : port.includes("/") ? port : `${port}/tcp`;
      const lines = Object.entries(bindings).flatMap(([key, hosts]) =>
        wanted !== undefined && key !== wanted
          ? []
          : (hosts ?? []).map(({ HostIp, HostPort }) => {
              const address = HostIp.includes(":") ? `[${HostIp}]:${HostPort}` : `${HostIp}:${HostPort}`;
              return wanted === undefined ? `${key} -> ${address}` : address;
            }),
      );
      if (wanted !== undefined && lines.length === 0) {
        throw new ThawError("INVALID", `no public port ${wanted} of ${id} is published`, {
          hint: `\`thaw port ${id}\` shows those that are.`,
        });
      }
      for (const line of lines) print(line);
    });
