import i18next from 'i18next'
import { beforeAll, expect, test, vi } from 'vitest'
import ar from './words.ar.json'
import en from './words.en.json'
import type { Rules } from './policies'

vi.stubGlobal('localStorage', { getItem: () => null })
vi.stubGlobal('navigator', { languages: ['en'] })
const { policySays, warningSays } = await import('./policywords')
beforeAll(() => i18next.init({ lng: 'en', fallbackLng: false, resources: { en: { translation: en }, ar: { translation: ar } }, interpolation: { escapeValue: false } }))

// The policy of TestWords in internal/routing, and what it is in English there.
const policy: Rules = {
  capacity_open: 1,
  hours: [{ weekday: 1, start_minute: 540, end_minute: 1080 }],
  rules: [
    { name: 'Big', when: 'value > 9.0', method: 'weighted', sticky: true, members: [{ user_id: 'u', weight: 3 }], fallback: 'Rest' },
    { name: 'Rest', method: 'round_robin' },
  ],
}

test('English says what the server says', async () => {
  await i18next.changeLanguage('en')
  expect(policySays(policy, () => 'Ravi Example')).toEqual([
    `1. Big: when value > 9.0, the lead goes to who owned the person's last lead if they are free, else to Ravi Example (weight 3), by weight among those present; when none of them can take it, rule "Rest" is tried.`,
    `2. Rest: every other lead goes to everybody in the pool, in turn.`,
    `Leads are offered only in the routing hours, in the project's time zone: Monday 09:00 to 18:00.`,
    `Nobody has more than 1 open lead.`,
    `What nobody can take waits, oldest first, and ends in the pool's named queue with an alarm.`,
  ])
})

test('Arabic leaves nothing in English', async () => {
  await i18next.changeLanguage('ar')
  const says = policySays({
    rules: [{ name: '1', method: 'weighted', members: [{ user_id: '2', weight: 3 }] }, { name: '2', method: 'least_open' }, { name: '3', method: 'first_to_claim', sticky: true }, { name: '4', method: 'round_robin' }],
    hours: policy.hours,
    holidays: ['2026-12-25'],
    capacity_open: 2,
    capacity_day: 30,
    cool_down_seconds: 90,
    reachable_seconds: 7200,
    away_after_misses: 3,
    clocks: [
      { clock: 'offer_to_accept', seconds: 60, then: 'alert' },
      { clock: 'accept_to_attempt', seconds: 900, hours: 'business', then: 'reassign' },
      { clock: 'attempt_to_contact', seconds: 172_800, then: 'both' },
    ],
  }, (id) => id)
  expect(says).toHaveLength(15)
  for (const s of says) expect(s).not.toMatch(/[A-Za-z]/)
})

test('a warning is told in the reader’s language, and one that is not known yet as the server said it', async () => {
  await i18next.changeLanguage('ar')
  expect(warningSays({ code: 'fallback_same', rule: 'Big', value: 'Rest', text: 'Rule "Big" falls back to "Rest", where nobody else is.' })).toBe('تنتقل القاعدة «Big» إلى «Rest»، وليس فيها أحد غيرهم.')
  expect(warningSays({ code: 'new' as never, text: 'Something new.' })).toBe('Something new.')
})
