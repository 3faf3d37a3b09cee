/** A Python program imported as text (`with { type: "text" }`): it becomes part of the compiled program. */
declare module "*.py" {
  const text: string;
  export default text;
}
