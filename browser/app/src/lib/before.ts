// What was asked before the app had arrived (src/early.ts): the app takes the
// answers instead of asking again, each once.

export interface Before {
  /** As whom. */
  token: string
  at: number
  answers: Map<string, Promise<Response>>
  /** Everything that the first screen needs was answered. */
  whole: boolean
}

declare global {
  var catchmentBefore: Before | undefined
}

/** Nobody waits for an answer that is older: it is asked for anew. */
const good = 15_000

/** A question, whichever order its parts stand in. */
export function keyOf(url: string | URL): string {
  const u = new URL(url, location.origin)
  u.searchParams.sort()
  return u.pathname + u.search
}

export function taken(url: string, token: string | undefined): Promise<Response> | undefined {
  const b = globalThis.catchmentBefore
  if (!b || b.token !== token || Date.now() - b.at > good) return undefined
  const key = keyOf(url)
  const answer = b.answers.get(key)
  b.answers.delete(key)
  return answer
}

/** Whether all that the first screen needs is there; says yes once. */
export function isWhole(): boolean {
  const b = globalThis.catchmentBefore
  const whole = !!b?.whole && Date.now() - b.at < good
  if (b) b.whole = false
  return whole
}
