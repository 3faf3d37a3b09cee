/** Hooks imported as text (`with { type: "text" }`): they become part of the compiled program. */
declare module "*.py" {
  const text: string;
  export default text;
}
declare module "*/node.cjs" {
  const text: string;
  export default text;
}
