import type { components } from '../api/schema'
import { told, useArea } from './words'

type Problem = components['schemas']['Problem'] & { choices?: { id: string; name: string }[] }

/** What ended a request otherwise than asked: the server's problem (RFC 9457), or no answer at all (code "offline"). */
export class Fault extends Error {
  readonly status: number
  readonly code: string
  readonly detail?: string
  readonly fields: Record<string, string>
  readonly choices: { id: string; name: string }[]
  readonly requestId?: string
  /** Seconds, where the server says when to come again. */
  readonly retryAfter?: number

  constructor(p: Problem, retryAfter?: number) {
    super(p.title)
    this.status = p.status
    this.code = p.code
    this.detail = p.detail
    this.requestId = p.request_id
    this.retryAfter = retryAfter
    this.choices = p.choices ?? []
    this.fields = {}
    for (const e of (p.errors ?? []) as { field: string; detail: string }[]) this.fields[e.field] ??= e.detail
  }

  static offline = () => new Fault({ status: 0, code: 'offline', title: 'offline' })

  /** A problem in the reader's language: by its codes, and in the server's own sentences where the app has no words. */
  static async told(p: Problem, retryAfter?: number): Promise<Fault> {
    await useArea('fault').catch(() => {}) // without a connection the server's sentences have to do
    const errors = p.errors?.map((e) => ({ ...e, detail: told('faults.code', e.code, e.detail) }))
    const detail = errors?.length ? [...new Set(errors.map((e) => e.detail))].join(' ') : told('faults.code', p.code, p.detail ?? '')
    return new Fault({ ...p, title: told('faults.status', String(p.status), p.title), detail, errors }, retryAfter)
  }

  static async of(r: Response): Promise<Fault> {
    const retry = Number(r.headers.get('Retry-After')) || undefined
    try {
      return await Fault.told({ ...(await r.json()), status: r.status }, retry)
    } catch {
      return new Fault({ status: r.status, code: 'unreadable_answer', title: r.statusText || String(r.status) }, retry)
    }
  }
}

export const faultOf = (e: unknown): Fault =>
  e instanceof Fault ? e : new Fault({ status: 0, code: 'unexpected', title: e instanceof Error ? e.message : String(e) })
