/** A Perl script imported as text (`with { type: "text" }`): it becomes part of the compiled program. */
declare module "*.pl" {
  const text: string;
  export default text;
}
