/** The text of `thaw ps`. */
import type { ContainerSummary } from "../api/containers.ts";
import { ageText, plain, table } from "./print.ts";

const HEADER = ["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"];
const COMMAND_WIDTH = 24;

/** The rows as a table, or only their ids with `quiet`. */
export function psText(rows: readonly ContainerSummary[], quiet: boolean): string {
  if (quiet) return rows.map(({ Id }) => Id.slice(0, 12)).join("\n");
  return table(HEADER, rows.map(psRow));
}

function psRow({ Id, Image, Command, Created, Status, Ports, Names }: ContainerSummary): string[] {
  const command = Command.length > COMMAND_WIDTH ? `${Command.slice(0, COMMAND_WIDTH - 3)}...` : Command;
  const ports = Ports.map(({ IP, PublicPort, PrivatePort, Type }) => `${IP}:${PublicPort}->${PrivatePort}/${Type}`);
  const names = Names.map((name) => name.replace(/^\//, "")).join(",");
  return [
    Id.slice(0, 12),
    plain(Image),
    plain(JSON.stringify(command)),
    ageText(Created * 1000),
    Status,
    ports.join(", "),
    names,
  ];
}
