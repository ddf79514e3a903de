// Passkeys: what the device keeps and its user unlocks. What goes to the server
// is the browser's own JSON, without what an authenticator made of prf: that is
// a key, and stays here.

/** Whether this browser and this address can have them; a bare IP address can not. */
export const canPasskey = () => typeof PublicKeyCredential !== 'undefined' && 'parseCreationOptionsFromJSON' in PublicKeyCredential && !/^[\d.]+$|:/.test(location.hostname)

const place = 'catchment.passkey'
/** One was made or shown on this device: then it is the first way to offer. */
export const hasPasskey = () => canPasskey() && localStorage.getItem(place) === '1'

/** The user closed the browser's dialog, or has none here. */
export class NoPasskey extends Error {}

async function ask<C>(what: () => Promise<C | null>): Promise<Record<string, unknown>> {
  let credential: C | null
  try {
    credential = await what()
  } catch (e) {
    throw new NoPasskey(e instanceof Error ? e.name : String(e))
  }
  if (!credential) throw new NoPasskey()
  localStorage.setItem(place, '1')
  const json = (credential as unknown as PublicKeyCredential).toJSON() as Record<string, unknown> & { clientExtensionResults?: { prf?: { results?: unknown } } }
  delete json.clientExtensionResults?.prf?.results
  return json
}

/** Makes one by the server's options. */
export const makePasskey = (options: Record<string, unknown>) =>
  ask(() => navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options as unknown as PublicKeyCredentialCreationOptionsJSON) }))

/** Shows one by the server's options. */
export const showPasskey = (options: Record<string, unknown>) =>
  ask(() => navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options as unknown as PublicKeyCredentialRequestOptionsJSON) }))

/** What to call this device in a list. */
export function deviceName(): string {
  const agent = navigator.userAgent
  return /iPhone|iPad/.exec(agent)?.[0] ?? (/Android/.test(agent) ? 'Android' : /Macintosh/.test(agent) ? 'Mac' : /Windows/.test(agent) ? 'Windows' : /Linux/.test(agent) ? 'Linux' : 'Browser')
}
