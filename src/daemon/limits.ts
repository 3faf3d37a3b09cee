/** Limits between the API's words and those of a container's spec. */
import type { LimitsRequest } from "../api/limits.ts";
import type { DeviceRate, Limits } from "../container/types.ts";

/** More than the kernel has pids. */
const NO_PIDS_LIMIT = 4_194_304;

/** The limits that a request asks for; 0 and "" ask for nothing, as in Docker. */
export function limitsOf(request: LimitsRequest): Limits {
  return {
    memory: request.Memory || undefined,
    nanoCpus: request.NanoCpus || undefined,
    pids: pidsLimit(request.PidsLimit ?? 0),
    ...given({
      memorySwap: request.MemorySwap || undefined,
      memoryReservation: request.MemoryReservation || undefined,
      cpuPeriod: request.CpuPeriod || undefined,
      cpuQuota: request.CpuQuota || undefined,
      cpuShares: request.CpuShares || undefined,
      cpusetCpus: request.CpusetCpus?.replaceAll(/\s/g, "") || undefined,
      cpusetMems: request.CpusetMems?.replaceAll(/\s/g, "") || undefined,
      blkioWeight: request.BlkioWeight || undefined,
    }),
    ...deviceRates(request),
  };
}

/** The same in the API's words. */
export function limitFieldsOf(limits: Limits): Required<Omit<LimitsRequest, "OomKillDisable" | "KernelMemory">> {
  return {
    Memory: limits.memory ?? 0,
    MemorySwap: limits.memorySwap ?? limits.memory ?? 0,
    MemoryReservation: limits.memoryReservation ?? 0,
    NanoCpus: limits.nanoCpus ?? 0,
    CpuPeriod: limits.cpuPeriod ?? 0,
    CpuQuota: limits.cpuQuota ?? 0,
    CpuShares: limits.cpuShares ?? 0,
    CpusetCpus: limits.cpusetCpus ?? "",
    CpusetMems: limits.cpusetMems ?? "",
    PidsLimit: limits.pids === NO_PIDS_LIMIT ? -1 : (limits.pids ?? null),
    BlkioWeight: limits.blkioWeight ?? 0,
    BlkioDeviceReadBps: ratesTold(limits.devices?.readBps),
    BlkioDeviceWriteBps: ratesTold(limits.devices?.writeBps),
    BlkioDeviceReadIOps: ratesTold(limits.devices?.readIops),
    BlkioDeviceWriteIOps: ratesTold(limits.devices?.writeIops),
  };
}

/** -1 asks for no limit, 0 for the default. */
function pidsLimit(asked: number): number | undefined {
  if (asked < 0) return NO_PIDS_LIMIT;
  return asked === 0 ? undefined : asked;
}

function deviceRates(request: LimitsRequest): Pick<Limits, "devices"> {
  const devices = given({
    readBps: ratesAsked(request.BlkioDeviceReadBps),
    writeBps: ratesAsked(request.BlkioDeviceWriteBps),
    readIops: ratesAsked(request.BlkioDeviceReadIOps),
    writeIops: ratesAsked(request.BlkioDeviceWriteIOps),
  });
  return Object.keys(devices).length === 0 ? {} : { devices };
}

type AskedRates = LimitsRequest["BlkioDeviceReadBps"];

function ratesAsked(rates: AskedRates): DeviceRate[] | undefined {
  if (!rates || rates.length === 0) return undefined;
  return rates.map(({ Path, Rate }) => ({ path: Path, rate: Rate }));
}

function ratesTold(rates: readonly DeviceRate[] | undefined) {
  return (rates ?? []).map(({ path, rate }) => ({ Path: path, Rate: rate }));
}

/** Without what is undefined, so that a row or a digest holds only what was asked for. */
function given<T extends object>(fields: T): Partial<T> {
  // Entries of T are taken away, none is added.
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<T>;
}
