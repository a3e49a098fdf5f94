export type Json = { readonly [name: string]: unknown };

/**
 * Return a room with a merge patch (RFC 7396). A time that was unset stays in it as null, as in
 * any room; within a field null removes a member.
 */
export function patchedRoom(room: Json, patch: Json): Json {
  const made: Record<string, unknown> = { ...room };
  for (const [name, value] of Object.entries(patch)) made[name] = merged(made[name], value);
  return made;
}

function merged(old: unknown, value: unknown): unknown {
  if (!isObject(value)) return value;
  const made: Record<string, unknown> = isObject(old) ? { ...old } : {};
  for (const [name, each] of Object.entries(value)) {
    if (each === null) delete made[name];
    else made[name] = merged(made[name], each);
  }
  return made;
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
