/** What holds for every process that is understood, whatever the images say. */
import { expect } from "bun:test";
import type { ProcessImage } from "../../src/checkpoint/compile/process.ts";

/** What the restorer may rely on in every process that is understood. */
export function expectSound({ vmas, pages, files, descriptors, threads, pid }: ProcessImage): void {
  let end = 0n;
  for (const vma of vmas) {
    expect(vma.start >= end && vma.end > vma.start && vma.end <= 1n << 47n).toBe(true);
    end = vma.end;
  }
  let after = 0n;
  for (const run of pages) {
    const to = run.start + BigInt(run.pages) * 4096n;
    expect(run.start >= after && vmas.some((vma) => vma.start <= run.start && to <= vma.end)).toBe(true);
    after = to;
  }
  for (const { file } of descriptors) expect(files[file]).toBeDefined();
  const made = new Map(descriptors.map(({ fd, file }) => [fd, file]));
  for (const [index, file] of files.entries()) {
    if (file.is !== "epoll") continue;
    for (const { fd } of file.watches) expect(made.get(fd) ?? files.length).not.toBe(files.length);
    for (const { fd } of file.watches) {
      const target = made.get(fd) ?? 0;
      if (files[target]?.is === "epoll") expect(target).toBeLessThan(index);
    }
  }
  expect(threads[0]?.tid).toBe(pid);
}
