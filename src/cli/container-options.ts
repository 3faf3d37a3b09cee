/**
 * The options of `thaw run` and `thaw create`: what a container is made with. Grouped, because there are many; the
 * words are those that users of other container engines know.
 */
import { collect } from "./command.ts";
import { addDeviceRateOptions, addLimitOptions, type DeviceRateOptions, type LimitOptions } from "./limit-options.ts";
import type { Recipe } from "./recipe.ts";

/** The options as commander gives them. */
export interface ContainerOptions extends LimitOptions, DeviceRateOptions {
  readonly interactive?: boolean;
  readonly tty?: boolean;
  readonly rm?: boolean;
  readonly name?: string;
  readonly label?: string[];
  readonly entrypoint?: string;
  readonly env?: string[];
  readonly envFile?: string[];
  readonly workdir?: string;
  readonly user?: string;
  readonly groupAdd?: string[];
  readonly init: boolean;
  readonly reseed?: boolean;
  readonly stopSignal?: string;
  readonly stopTimeout?: string;
  readonly rootfs?: string;
  readonly readOnly?: boolean;
  readonly lean?: boolean;
  readonly volume?: string[];
  readonly mount?: string[];
  readonly volumesFrom?: string[];
  readonly tmpfs?: string[];
  readonly shmSize?: string;
  readonly device?: string[];
  readonly network?: string[];
  readonly networkAlias?: string[];
  readonly ip?: string;
  readonly ip6?: string;
  readonly macAddress?: string;
  readonly publish?: string[];
  readonly hostname?: string;
  readonly domainname?: string;
  readonly dns?: string[];
  readonly dnsSearch?: string[];
  readonly dnsOption?: string[];
  readonly addHost?: string[];
  readonly ulimit?: string[];
  readonly oomScoreAdj?: string;
  readonly capAdd?: string[];
  readonly capDrop?: string[];
  readonly securityOpt?: string[];
  readonly privileged?: boolean;
  readonly sysctl?: string[];
  readonly ipc?: string;
  readonly pid?: string;
  readonly uts?: string;
  readonly userns?: string;
}

/** Adds them to a command. */
export function addContainerOptions(command: Recipe): Recipe {
  addGeneral(command);
  addProgram(command);
  addFiles(command);
  addNetwork(command);
  addLimits(command);
  addIsolation(command);
  return command.passThroughOptions();
}

function addGeneral(command: Recipe): void {
  command
    .option("-i, --interactive", "pass stdin on, also a terminal's")
    .option("--no-interactive", "pass no stdin on")
    .option("-t, --tty", "give the container a terminal")
    .option("--rm", "remove the container when it exits, with its nameless volumes")
    .option("--name <name>", "the container's name")
    .option("-l, --label <name=value>", "note something about the container", collect);
}

function addProgram(command: Recipe): void {
  command
    .optionsGroup("The program:")
    .option("--entrypoint <program>", "instead of the image's entrypoint")
    .option("-e, --env <name=value>", "set a variable; a name alone takes its value from here", collect)
    .option("--env-file <file>", "set the variables of a file", collect)
    .option("-w, --workdir <directory>", "where the command starts")
    .option("-u, --user <user[:group]>", "who the command runs as")
    .option("--group-add <group>", "one more group of its user", collect)
    .option("--init", "run a small init as pid 1 (the default; checkpoints need it)")
    .option("--no-init", "make the command itself pid 1")
    .option("--reseed", "let Python, Node and Java renew their random numbers after a restore, whatever the image has")
    .option("--no-reseed", "set none of the variables for that (default: where it may be needed)")
    .option("--stop-signal <signal>", "what `thaw stop` sends first (default: the image's, or SIGTERM)")
    .option("--stop-timeout <seconds>", "how long it waits then (default: 10; -1: for ever)");
}

function addFiles(command: Recipe): void {
  command
    .optionsGroup("Files and devices:")
    .option("--rootfs <directory>", "a directory as the root file system, instead of an image")
    .option("--read-only", "make the root file system read-only")
    .option(
      "--lean",
      "start faster with less around: the image itself as a read-only root, a tmpfs at /tmp, the machine's network unless --network says else, no init",
    )
    .option(
      "-v, --volume <source:target[:ro]>",
      "show a directory or file of this machine, or a volume by its name; a target alone is a new volume",
      collect,
    )
    .option("--mount <type=...,target=...>", "the same in words: type=bind|volume|tmpfs,source=...,target=...", collect)
    .option("--volumes-from <container[:ro]>", "show what another container shows", collect)
    .option("--tmpfs <target[:options]>", "mount a tmpfs, such as /run:size=64m", collect)
    .option("--shm-size <size>", "the size of /dev/shm (default: 64m)")
    .option("--device <host[:container[:rwm]]>", "give it a device of this machine", collect);
}

function addNetwork(command: Recipe): void {
  command
    .optionsGroup("Network:")
    .option(
      "--network <network>",
      "bridge (default), a network's name, host: the machine's, none: loopback alone; again for more networks",
      collect,
    )
    .option("--network-alias <name>", "one more name in the first of its networks", collect)
    .option("--ip <address>", "its address in the first of its networks")
    .option("--ip6 <address>", "its IPv6 address there")
    .option("--mac-address <address>", "its hardware address there")
    .option(
      "-p, --publish <[host:]port[/udp]>",
      "publish a port, or a range: HOST:CONTAINER; without HOST any that is free",
      collect,
    )
    .option("--hostname <name>", "the container's host name")
    .option("--domainname <name>", "its domain name")
    .option("--dns <address>", "a name server instead of the machine's", collect)
    .option("--dns-search <domain>", "a domain to look names up in", collect)
    .option("--dns-option <option>", "an option for /etc/resolv.conf", collect)
    .option("--add-host <name:address>", "a line for /etc/hosts", collect);
}

function addLimits(command: Recipe): void {
  addDeviceRateOptions(addLimitOptions(command.optionsGroup("Limits:")))
    .option("--ulimit <name=soft[:hard]>", "a limit of its processes, such as nofile=1024:2048", collect)
    .option("--oom-score-adj <score>", "who is killed first when memory is short, -1000 to 1000 (default: 100)");
}

function addIsolation(command: Recipe): void {
  command
    .optionsGroup("Isolation:")
    .option("--cap-add <capability>", "add a capability, such as NET_ADMIN; ALL adds all", collect)
    .option("--cap-drop <capability>", "take one away; ALL takes all", collect)
    .option(
      "--security-opt <option>",
      "no-new-privileges=false, seccomp=FILE or unconfined, systempaths=unconfined",
      collect,
    )
    .option("--privileged", "give it everything: it is as good as root on this machine")
    .option("--sysctl <name=value>", "set a sysctl of its namespaces, such as net.core.somaxconn=1024", collect)
    .option("--ipc <mode>", "private (default), or host: share this machine's IPC namespace")
    .option("--pid <mode>", "host: see and signal all processes of this machine")
    .option("--uts <mode>", "host: share this machine's name")
    .option(
      "--userns <mode>",
      "auto: a user namespace with ids of its own, so that root inside is nobody outside; host: none (the default)",
    );
}
