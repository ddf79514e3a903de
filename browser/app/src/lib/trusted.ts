// The one Trusted Types policy of the app: the browser takes the address of a
// worker only through it, and it gives only addresses that stand in this file.
import desk from '../desk/local/sealed?worker&url'

const workers = { service: '/app/sw.js', desk } as const

interface Policy {
  createScriptURL(name: string): string
}
interface Factory {
  createPolicy(name: string, rules: { createScriptURL(name: string): string }): Policy
}

const address = (name: string) => {
  if (!(name in workers)) throw new TypeError('no worker of ours')
  return workers[name as keyof typeof workers]
}
const factory = (globalThis as { trustedTypes?: Factory }).trustedTypes
const policy = factory?.createPolicy('workers', { createScriptURL: address })

/** Where the worker is, in the form that the browser takes. */
export const workerURL = (name: keyof typeof workers): string => policy?.createScriptURL(name) ?? address(name)
