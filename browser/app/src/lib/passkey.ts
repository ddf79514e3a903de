// Passkeys: what the device keeps and its user unlocks. What goes to the server
// is the browser's own JSON, without what an authenticator made of prf: that is
// a key, and stays here, to unlock what the desk keeps.

/** Whether this browser and this address can have them; a bare IP address can not. */
export const canPasskey = () => typeof PublicKeyCredential !== 'undefined' && 'parseCreationOptionsFromJSON' in PublicKeyCredential && !/^[\d.]+$|:/.test(location.hostname)

const place = 'catchment.passkey'
/** One was made or shown on this device: then it is the first way to offer. */
export const hasPasskey = () => canPasskey() && localStorage.getItem(place) === '1'

/** The user closed the browser's dialog, or has none here. */
export class NoPasskey extends Error {}

/** A key that a passkey made for this app (WebAuthn's prf), of one credential and site. */
export interface Made {
  secret: ArrayBuffer
  credential: ArrayBuffer
  site: string
}
let made: Made | undefined
let hearer = () => {}
/** Calls back whenever a passkey has made one. */
export const onMade = (f: () => void) => void (hearer = f)
/** Takes the key that the last passkey made, if it makes any. It is in memory alone, and here no more. */
export function takeMade(): Made | undefined {
  const m = made
  made = undefined
  return m
}

const prf = { eval: { first: new TextEncoder().encode('catchment desk unlock v1') } }
interface Results {
  prf?: { results?: { first?: ArrayBuffer } }
}

async function ask(site: string, what: () => Promise<Credential | null>): Promise<Record<string, unknown>> {
  let credential: PublicKeyCredential | null
  try {
    credential = (await what()) as PublicKeyCredential | null
  } catch (e) {
    throw new NoPasskey(e instanceof Error ? e.name : String(e))
  }
  if (!credential) throw new NoPasskey()
  localStorage.setItem(place, '1')
  const secret = (credential.getClientExtensionResults() as Results).prf?.results?.first
  if (secret) {
    made = { secret, credential: credential.rawId, site }
    hearer()
  }
  const json = credential.toJSON() as Record<string, unknown> & { clientExtensionResults?: Results }
  delete json.clientExtensionResults?.prf?.results
  return json
}

/** Makes one by the server's options. */
export function makePasskey(options: Record<string, unknown>) {
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options as unknown as PublicKeyCredentialCreationOptionsJSON)
  return ask(publicKey.rp.id ?? location.hostname, () => navigator.credentials.create({ publicKey: { ...publicKey, extensions: { ...publicKey.extensions, prf } } }))
}

/** Shows one by the server's options. */
export function showPasskey(options: Record<string, unknown>) {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options as unknown as PublicKeyCredentialRequestOptionsJSON)
  return ask(publicKey.rpId ?? location.hostname, () => navigator.credentials.get({ publicKey: { ...publicKey, extensions: { ...publicKey.extensions, prf } } }))
}

/** Has the passkey make its key again, without the server; NoPasskey when it was not shown. */
export async function makeAgain(of: Omit<Made, 'secret'>): Promise<Made | undefined> {
  const challenge = crypto.getRandomValues(new Uint8Array(32)) // nobody is to be convinced by the signature
  const allowCredentials = [{ type: 'public-key' as const, id: of.credential }]
  await ask(of.site, () => navigator.credentials.get({ publicKey: { challenge, rpId: of.site, allowCredentials, userVerification: 'required', extensions: { prf } } }))
  return takeMade()
}

/** What to call this device in a list. */
export function deviceName(): string {
  const agent = navigator.userAgent
  return /iPhone|iPad/.exec(agent)?.[0] ?? (/Android/.test(agent) ? 'Android' : /Macintosh/.test(agent) ? 'Mac' : /Windows/.test(agent) ? 'Windows' : /Linux/.test(agent) ? 'Linux' : 'Browser')
}
