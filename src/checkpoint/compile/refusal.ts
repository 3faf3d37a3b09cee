/** Thrown while tables are made of a process that they cannot express; the reason is the message. */
export class Refusal extends Error {}
