/** What one dump and restore gives, whoever does it; and what touch.py says of itself. */
import { z } from "zod";
import { ThawError } from "../../common/errors.ts";

/** Milliseconds. */
export interface Sample {
  /** Absent where the dump is not made for each restore. */
  readonly dump?: number;
  /** From the beginning until the sandbox is ready. */
  readonly lean: number;
  /** From there until the process executes one of its first instructions, by its own clock. */
  readonly restore: number;
  /** One write to each page of its memory, by its own clock. */
  readonly execution: number;
  /** The same before it was dumped, in memory that it had touched before. */
  readonly warm: number;
  /** Since the beginning. */
  readonly phases: ReadonlyMap<string, number>;
}

const reportSchema = z.object({
  /** The first touch of fresh memory, and the second. */
  first_ms: z.number(),
  warm_ms: z.number(),
  /** Since the epoch; 0: it was never restored. */
  ran_at_ns: z.number(),
  execution_ms: z.number(),
  /** Whether memory came back as it was. */
  intact: z.boolean(),
});

/** Reads what the process said. @throws ThawError RESTORE_FAILED when its memory is not what it was. */
export function parseReport(text: string): z.output<typeof reportSchema> {
  const report = reportSchema.parse(JSON.parse(text));
  if (report.intact) return report;
  throw new ThawError("RESTORE_FAILED", "the memory of the restored process is not what it was");
}
