/**
 * Variables in a compose file's strings: `$NAME`, `${NAME}`, `${NAME:-default}`, `${NAME-default}`, and `$$` for a
 * plain dollar. Unlike Docker's, a variable that is not set and has no default is an error, not an empty string.
 */

export type Substituted =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly problem: string };

const PATTERN = /\$(?:(\$)|([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?:(:?-)([^}]*))?\}|)/g;

/** `text` with its variables' values from `env`. */
export function substitute(text: string, env: Readonly<Record<string, string | undefined>>): Substituted {
  let problem: string | undefined;
  const filled = text.replace(
    PATTERN,
    (whole: string, dollar?: string, bare?: string, braced?: string, operator?: string, fallback?: string) => {
      if (dollar !== undefined) return "$";
      const name = bare ?? braced;
      if (name === undefined) {
        problem ??= `${JSON.stringify(text)}: expected a variable after $, got something else`;
        return whole;
      }
      const value = env[name];
      if (value !== undefined && !(value === "" && operator === ":-")) return value;
      if (fallback === undefined) problem ??= `the variable ${name} is not set`;
      return fallback ?? "";
    },
  );
  return problem === undefined ? { ok: true, text: filled } : { ok: false, problem };
}
