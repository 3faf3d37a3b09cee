/** Who gets a file's signals: fcntl's F_SETOWN and F_SETSIG. */
import { message, required, uint32 } from "../description.ts";

export const owner = message("fown_entry", {
  uid: required(1, uint32),
  euid: required(2, uint32),
  signal: required(3, uint32),
  pidType: required(4, uint32),
  pid: required(5, uint32),
});
