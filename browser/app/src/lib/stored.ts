// The session as it is kept, without anything of the app: what is asked before
// the app has arrived reads it too (src/early.ts).

/** A word for those that are built in, `role_…` for an account's own. */
export type Role = 'salesperson' | 'manager' | 'marketer' | 'admin' | 'auditor' | 'support' | 'operator' | (string & {})

export interface Session {
  token: string
  expires_at: string
  user_id: string
  name: string
  account_id: string | null
  account_name: string | null
  role: Role
  level: number
  needs: string[]
  /** What would make the next sign-in better: a passkey, while there is none. */
  offers?: string[]
}

export const place = 'catchment.session'

/** Who is signed in on this device; null: nobody, or not any more. */
export function read(): Session | null {
  try {
    const kept = JSON.parse(localStorage.getItem(place) ?? 'null') as Session | null
    return kept && Date.parse(kept.expires_at) > Date.now() ? kept : null
  } catch {
    return null // somebody else's text, or storage is closed: sign in again
  }
}

/** The purpose that is stated when personal data is opened, see docs/api.md. */
export const purposeOf = (s: Pick<Session, 'role'> | null) => (s?.role === 'salesperson' ? 'contact' : 'oversight')
