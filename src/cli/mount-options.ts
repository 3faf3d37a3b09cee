/** `-v` and `--mount` made what the API takes. Paths of this machine are made absolute here. */

import { resolve } from "node:path";
import type { CreateInput } from "../api/containers.ts";
import { parseSize } from "../api/texts.ts";
import { shorten } from "../common/show.ts";
import { entryOf } from "../common/table.ts";
import { bad } from "./options.ts";

type Mount = NonNullable<NonNullable<NonNullable<CreateInput["HostConfig"]>["Mounts"]>>[number];

/** Where what `-v` asks for belongs in a request: as a bind's text, or as the place of a volume without a name. */
export type VolumeOption = { readonly bind: string } | { readonly target: string };

/**
 * `source:target[:options]`, or a target alone. A source with a slash, or `.`, is a path, other words are volumes.
 * @throws ThawError INVALID.
 */
export function volumeOption(text: string): VolumeOption {
  const [source = "", target, ...options] = text.split(":");
  if (target === undefined && source.startsWith("/")) return { target: source };
  const path = source.includes("/") || source === "." || source === "..";
  if (source === "" || !target?.startsWith("/") || options.length > 1) {
    throw bad("--volume", "SOURCE:TARGET[:ro] or VOLUME:TARGET[:ro] with an absolute target", text);
  }
  return { bind: [path ? resolve(source) : source, target, ...options].join(":") };
}

/** Docker's words for the same thing. */
const ALIASES: Readonly<Record<string, string>> = {
  src: "source",
  dst: "target",
  destination: "target",
  ro: "readonly",
  readonly: "readonly",
};

/** `type=bind|volume|tmpfs,source=...,target=...`. @throws ThawError INVALID. */
export function mountOption(text: string): Mount {
  const fields = new Map<string, string>();
  const labels: Record<string, string> = {};
  for (const part of text.split(",")) {
    const at = part.indexOf("=");
    const key = at < 0 ? part : part.slice(0, at);
    const value = at < 0 ? "true" : part.slice(at + 1);
    const label = /^([^=]+)=?(.*)$/.exec(value);
    if (key === "volume-label" && label?.[1] !== undefined) labels[label[1]] = label[2] ?? "";
    else fields.set(entryOf(ALIASES, key) ?? key, value);
  }
  return mountOf(text, fields, labels);
}

function mountOf(text: string, fields: Map<string, string>, labels: Record<string, string>): Mount {
  const take = (key: string) => {
    const value = fields.get(key);
    fields.delete(key);
    return value;
  };
  const type = take("type") ?? "volume";
  const source = take("source");
  take("consistency");
  const common = { Target: take("target") ?? "", ReadOnly: flag(text, take("readonly")) };
  const mount = ((): Mount | undefined => {
    if (type === "bind") {
      // The API says what is wrong with a propagation.
      const Propagation = (take("bind-propagation") ?? "") as "";
      return {
        Type: type,
        ...common,
        Source: source === undefined ? "" : resolve(source),
        BindOptions: { Propagation },
      };
    }
    if (type === "volume") {
      const VolumeOptions = { NoCopy: flag(text, take("volume-nocopy")), Labels: labels };
      return { Type: type, ...common, Source: source ?? "", VolumeOptions };
    }
    if (type !== "tmpfs" || source !== undefined) return undefined;
    return { Type: type, ...common, TmpfsOptions: tmpfsFields(text, take("tmpfs-size"), take("tmpfs-mode")) };
  })();
  if (mount !== undefined && fields.size === 0 && common.Target !== "") return mount;
  const unknown = fields.size > 0 ? ` without ${shorten([...fields.keys()].join(", "))}` : "";
  throw bad("--mount", `type=bind|volume|tmpfs,source=...,target=...[,readonly...]${unknown}`, text);
}

function tmpfsFields(text: string, size: string | undefined, mode: string | undefined) {
  const bytes = size === undefined ? undefined : parseSize(size);
  if (size !== undefined && bytes === undefined) throw bad("--mount", "tmpfs-size=64m or the like", text);
  if (mode !== undefined && !/^[0-7]{1,5}$/.test(mode)) throw bad("--mount", "tmpfs-mode=1777 or the like", text);
  return {
    ...(bytes === undefined ? {} : { SizeBytes: bytes }),
    ...(mode === undefined ? {} : { Mode: Number.parseInt(mode, 8) }),
  };
}

function flag(text: string, value: string | undefined): boolean {
  if (value === undefined || value === "false" || value === "0") return false;
  if (value === "true" || value === "1") return true;
  throw bad("--mount", "readonly or readonly=true|false", text);
}
