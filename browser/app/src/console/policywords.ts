// A policy as a manager would tell it, a sentence a line, in the reader's
// language; in English what internal/routing/words.go says.
import { t, tOf } from '../lib/words'
import type { Schemas } from '../lib/api'
import type { Rule, Rules } from './policies'

/** What colleagues call a user, by id. */
export type NameOf = (user: string) => string

type Counted = 'console.says.seconds' | 'console.says.minutes' | 'console.says.hours' | 'console.says.days'
const two = (n: number) => String(n).padStart(2, '0')
const clock = (minute: number) => `${two(Math.floor(minute / 60))}:${two(minute % 60)}`

/** Seconds in the largest unit that gives a whole number. */
function lasting(seconds: number): string {
  const units: [number, Counted][] = [[86_400, 'console.says.days'], [3600, 'console.says.hours'], [60, 'console.says.minutes'], [1, 'console.says.seconds']]
  const [of, key] = units.find(([n]) => seconds >= n && seconds % n === 0) ?? units[3]!
  return t(key, { count: seconds / of })
}

export function policySays(p: Rules, name: NameOf): string[] {
  const out = p.rules.map((r, i) => t('console.says.rule', { n: i + 1, name: r.name, what: ruleSays(r, name, i > 0 && i === p.rules.length - 1) }))
  const say = (set: unknown, words: () => string) => void (set && out.push(words()))
  say(p.hours?.length, () => t('console.says.openHours', { spans: p.hours!.map((h) => t('console.says.span', { day: tOf('console.day', 'd' + h.weekday), from: clock(h.start_minute), until: clock(h.end_minute) })).join('; ') }))
  say(p.holidays?.length, () => t('console.says.holidays', { days: p.holidays!.join(', ') }))
  say(p.capacity_open, () => t('console.says.open', { count: p.capacity_open! }))
  say(p.capacity_day, () => t('console.says.perDay', { count: p.capacity_day! }))
  say(p.cool_down_seconds, () => t('console.says.coolDown', { time: lasting(p.cool_down_seconds!) }))
  say(p.reachable_seconds, () => t('console.says.reachable', { time: lasting(p.reachable_seconds!) }))
  say(p.away_after_misses, () => t('console.says.away', { count: p.away_after_misses! }))
  for (const c of p.clocks ?? []) {
    const time = lasting(c.seconds)
    out.push(t('console.says.level', { what: t(`console.says.clock.${c.clock}`, { time: c.hours === 'business' ? t('console.says.business', { time }) : time }), then: t(`console.says.then.${c.then}`) }))
  }
  return [...out, t('console.says.rest')]
}

/** What may not be meant; the server's own sentence for what the app does not know yet. */
export function warningSays(w: Schemas['Warning']): string {
  const said = tOf('console.warn', w.code, { rule: w.rule ?? '', value: w.value ?? '' })
  return said === w.code ? w.text : said
}

function ruleSays(r: Rule, name: NameOf, last: boolean): string {
  const leads = r.when ? t('console.says.when', { when: r.when }) : last ? t('console.says.other') : t('console.says.every')
  const parts = [leads, r.sticky ? t('console.says.sticky') : '', people(r, name), r.needs?.length ? t('console.says.with', { tags: r.needs.join(t('console.says.and')) }) : '']
  const method = t(`console.says.method.${r.method}`)
  return parts.filter(Boolean).join(' ') + method + (r.fallback ? t('console.says.fallback', { rule: r.fallback }) : '')
}

function people(r: Rule, name: NameOf): string {
  if (!r.members?.length) return t('console.says.everybody')
  return r.members
    .map((m) => (r.method === 'weighted' || m.weight === 0 ? t('console.says.weighs', { name: name(m.user_id), weight: m.weight }) : name(m.user_id)))
    .join(', ')
}
