import { useMutation, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { api, ok } from '../lib/api'
import { useMay } from '../lib/me'
import { ability, NoPush, turnOff, turnOn } from '../lib/push'
import { queries } from '../lib/query'
import { t } from '../lib/words'
import { Badge } from '../ui/badge'
import { Button } from '../ui/button'
import { Icon } from '../ui/icon'
import { Ago } from '../ui/time'
import { say, sayFault } from '../ui/toast'
import { Section } from './section'

const key = ['me', 'push']
const patience = 20_000

/** What went wrong, with the way out. */
export const sayNoPush = (e: unknown) => (e instanceof NoPush ? say(t(`me.push.${e.why}`), { kind: 'lost', words: t(`me.push.${e.why}Way`) }) : sayFault(e))

/** Notifications of this device: on or off, a test, and when it last had one. */
export function Pushes() {
  const may = useMay()
  const offers = !!may('offers:answer')
  const alarms = may('leads:read') === 'all'
  const [trying, tries] = useState<{ since: number; before: string | null } | null>(null)
  const now = useQuery({ queryKey: key, queryFn: () => ok(api.GET('/v1/me/push')), refetchInterval: trying ? 1000 : false })
  const put = useMutation({
    mutationFn: (wanted: { on: boolean; alarms: boolean }) => (wanted.on ? turnOn(wanted.alarms) : turnOff()),
    onSuccess: (said) => queries.setQueryData(key, said),
    onError: sayNoPush,
  })
  const test = useMutation({
    mutationFn: () => ok(api.POST('/v1/me/push/test')),
    onMutate: () => tries({ since: Date.now(), before: now.data?.answered_at ?? null }),
    onError: (e) => {
      tries(null)
      sayFault(e)
    },
  })
  const came = trying && now.data?.answered_at && now.data.answered_at !== trying.before
  const late = trying && !came && now.dataUpdatedAt - trying.since > patience
  if (came || late) {
    queueMicrotask(() => {
      tries(null)
      say(t(came ? 'me.push.came' : 'me.push.late'), { kind: came ? 'good' : 'lost', words: came ? undefined : t('me.push.lateWay') })
    })
  }
  if (!offers && !alarms) return null
  const can = ability()
  const on = now.data?.subscribed
  return (
    <Section title={t('me.push.title')} words={t(alarms && !offers ? 'me.push.alarmWords' : 'me.push.words')}>
      <ul className="divide-y divide-line border-y border-line">
        <li className="flex flex-wrap items-center gap-x-3.5 gap-y-2 py-3">
          <Icon name="bell" className="size-6 text-faint" />
          <div className="min-w-48 flex-1">
            <p className="flex flex-wrap items-center gap-2 font-medium">
              {t('me.push.here')}
              {on ? <Badge tone="good">{t('me.factor.on')}</Badge> : <Badge>{t('me.factor.off')}</Badge>}
            </p>
            <p className="mt-0.5 text-sm text-soft">
              {can !== 'can' ? t(`me.push.${can}`) : !on ? t('me.push.nothing') : now.data?.answered_at ? <>{t('me.push.answered')} <Ago at={now.data.answered_at} phrase /></> : t('me.push.unanswered')}
            </p>
          </div>
          {on && <Button look="quiet" busy={test.isPending || !!trying} onClick={() => test.mutate()}>{t('me.push.try')}</Button>}
          {on ? (
            <Button look="quiet" busy={put.isPending} onClick={() => put.mutate({ on: false, alarms: false })}>{t('me.push.turnOff')}</Button>
          ) : (
            can === 'can' && now.isSuccess && <Button busy={put.isPending} onClick={() => put.mutate({ on: true, alarms })}>{t('me.push.turnOn')}</Button>
          )}
        </li>
        {on && alarms && offers && (
          <li className="py-1">
            <label className="flex min-h-11 items-center gap-3.5">
              <input type="checkbox" checked={now.data?.alarms} disabled={put.isPending} onChange={(e) => put.mutate({ on: true, alarms: e.target.checked })} className="mx-1 size-4 accent-(--accent)" />
              {t('me.push.alarms')}
            </label>
          </li>
        )}
      </ul>
    </Section>
  )
}
