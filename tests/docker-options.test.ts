/** The isolation options in the spelling of Docker's own command line, over the API's socket. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execOk } from "../src/common/exec.ts";
import { Installed } from "./support/installed.ts";
import { makeTinyRoot } from "./support/root.ts";
import { until } from "./support/world.ts";

const docker = Bun.which("docker");
const why = docker === null ? " (needs the docker command)" : "";
const installed = new Installed();

beforeAll(async () => {
  if (docker === null) return;
  const context = join(installed.directory, "context");
  makeTinyRoot(context);
  mkdirSync(join(context, "srv/data"), { recursive: true });
  writeFileSync(join(context, "srv/data/seed"), "seed\n");
  writeFileSync(
    join(context, "Dockerfile"),
    'FROM scratch\nCOPY . /\nSTOPSIGNAL SIGUSR1\nCMD ["sh", "-c", "echo hello"]\n',
  );
  expect((await installed.thaw("build", "-t", "tiny", context)).exitCode).toBe(0);
});

afterAll(async () => {
  await installed.thaw("daemon", "stop", "--force");
  await until(() => installed.pids().length === 0);
  expect(await installed.leftovers()).toEqual([]);
  installed.remove();
});

/** What `docker ARGV` prints. */
function run(...argv: string[]): Promise<string> {
  return execOk([docker ?? "docker", "-H", `unix://${join(installed.run, "thaw.sock")}`, ...argv]);
}

const OPTIONS = [
  ..."--read-only --tmpfs /t:size=1m --cap-drop ALL --cap-add NET_ADMIN --ulimit nofile=100:200".split(" "),
  ..."--sysctl net.core.somaxconn=99 --security-opt no-new-privileges --shm-size 1m --hostname hh".split(" "),
  ..."--domainname dd --dns 192.0.2.1 --dns-search x.y --dns-option ndots:1 --add-host a:1.2.3.4".split(" "),
  ..."--group-add 5 --user tester --workdir /w --env A=b --oom-score-adj 200 --stop-timeout 3 --init".split(" "),
  ..."--ipc private --network none -v vol:/srv/data -v /usr:/host:ro -v /anon --device /dev/null:/dev/nil:r".split(" "),
  ..."--mount type=tmpfs,target=/m,tmpfs-size=1m --mount type=volume,src=vol2,dst=/v2,readonly".split(" "),
];

test.skipIf(docker === null)(`every option reaches the container${why}`, async () => {
  const script = [
    "id -G; pwd; echo $A; ulimit -n; cat /proc/sys/net/core/somaxconn /srv/data/seed /proc/self/oom_score_adj",
    "cat /etc/hosts /etc/resolv.conf /proc/self/status /proc/mounts; ls -d /anon /v2; stat -c '%t:%T' /dev/nil",
  ];
  const text = await run("run", "--rm", ...OPTIONS, "tiny", "sh", "-c", script.join("\n"));
  expect(text).toStartWith("1235 5 77\n/w\nb\n100\n99\nseed\n200\n");
  expect(text).toContain("hh.dd hh\n");
  expect(text).toContain("1.2.3.4\ta\nnameserver 192.0.2.1\nsearch x.y\noptions ndots:1\n");
  expect(text).toMatch(/^CapBnd:\t0{12}1000$/m);
  expect(text).toMatch(/ \/m tmpfs rw,nosuid,nodev,noexec,relatime,size=1024k/);
  expect(text).toMatch(/ \/v2 \S+ ro,nodev/);
  expect(text).toEndWith("/anon\n/v2\n1:3\n");
  const privileged = [
    "--privileged",
    "--pid",
    "host",
    "--uts",
    "host",
    "--ipc",
    "host",
    "--security-opt",
    "seccomp=unconfined",
  ];
  const full = await run("run", "--rm", ...privileged, "tiny", "sh", "-c", "cat /proc/self/status /proc/mounts");
  expect(full).toMatch(/^Seccomp:\t0$/m);
  expect(full).toContain("sysfs /sys sysfs rw,");
  const open = await run("run", "--rm", "--security-opt", "systempaths=unconfined", "tiny", "cat", "/proc/mounts");
  expect(open).not.toMatch(/ \/proc\/[a-z]+ /);
});

test.skipIf(docker === null)(`volumes and what inspect says of it all${why}`, async () => {
  await run(
    "create",
    "--name",
    "c",
    "--stop-timeout",
    "7",
    "-v",
    "vol:/x:ro",
    "--tmpfs",
    "/t",
    "--cap-add",
    "SYS_PTRACE",
    "tiny",
  );
  const [details] = JSON.parse(await run("inspect", "c"));
  expect(details.HostConfig).toMatchObject({ Binds: ["vol:/x:ro"], CapAdd: ["SYS_PTRACE"], Privileged: false });
  expect(details.Config).toMatchObject({ StopSignal: "SIGUSR1", StopTimeout: 7 });
  expect(details.Mounts[0]).toMatchObject({ Type: "volume", Name: "vol", Destination: "/x", RW: false });
  expect(await run("run", "--rm", "--volumes-from", "c", "tiny", "ls", "/x")).toBe("seed\n");
  await run("rm", "c");
  expect((await run("volume", "ls", "-q")).split("\n").filter(Boolean)).toEqual(["vol", "vol2"]);
  await run("volume", "create", "--label", "a=b", "mine");
  expect(await run("volume", "ls", "-q", "--filter", "label=a=b")).toBe("mine\n");
  await run("volume", "rm", "mine");
  expect(await run("volume", "prune", "--force", "--all")).toContain("vol2");
});
