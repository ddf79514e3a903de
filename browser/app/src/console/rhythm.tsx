import { useMutation, useQuery } from '@tanstack/react-query'
import { type FormEvent, type ReactNode, useState } from 'react'
import { api, ok, type Schemas } from '../lib/api'
import { faultOf } from '../lib/fault'
import { count } from '../lib/format'
import { useMay } from '../lib/me'
import { queries } from '../lib/query'
import { locale, t } from '../lib/words'
import { Badge, type Tone } from '../ui/badge'
import { Button } from '../ui/button'
import { Hours } from '../ui/hours'
import { Field } from '../ui/field'
import { Select } from '../ui/select'
import { Block, Rows } from '../ui/skeleton'
import { Ago, When } from '../ui/time'
import { say } from '../ui/toast'
import { useFresh } from './data'
import { HourRows } from './limits'
import { Part, Sorry } from './page'
import { sayFields } from './settings'

type Rhythm = Schemas['SourceRhythm']
type Watch = Schemas['SourceWatch']
const tones: Record<string, Tone> = { well: 'good', silent: 'warm', learning: 'plain', off: 'plain' }
export const HealthState = ({ state }: { state: Schemas['SourceHealth']['state'] }) => <Badge tone={tones[state]}>{t(`console.rhythm.${state}`)}</Badge>

/** How every source does, for who reads counts. */
export function useHealth(enabled: boolean) {
  useFresh(/^(lead\.created|enquiry\.attached|alarm|setup)(\.|$)/, ['sources', 'health'])
  return useQuery({
    queryKey: ['sources', 'health'],
    enabled,
    refetchInterval: 60_000,
    queryFn: () => ok(api.GET('/v1/sources/health', { params: { query: { limit: 500 } } })).then((l) => new Map(l.items.map((h) => [h.source_id, h]))),
  })
}

/** The last week of a source beside its usual one, and when its silence is an alarm. */
export function RhythmPart({ source }: { source: string }) {
  const may = useMay()
  const now = useQuery({ queryKey: ['sources', 'health', source], refetchInterval: 60_000, queryFn: () => ok(api.GET('/v1/sources/{id}/health', { params: { path: { id: source } } })) })
  useFresh(/^(lead\.created|enquiry\.attached|alarm|setup)(\.|$)/, ['sources', 'health', source])
  const h = now.data
  if (now.isError && !h) return <Part title={t('console.rhythm.title')}><Sorry error={now.error} again={() => void now.refetch()} /></Part>
  return (
    <div className="grid gap-x-14 gap-y-10 lg:grid-cols-[minmax(0,3fr)_minmax(0,2fr)]">
      <Part title={t('console.rhythm.title')} action={h && <HealthState state={h.state} />}>
        {h ? <Said h={h} /> : <Rows n={1} />}
        {h ? <Week h={h} /> : <Block className="h-45 w-full" />}
      </Part>
      <Part title={t('console.rhythm.watch')}>{h ? <WatchForm key={JSON.stringify(h.watch)} source={source} h={h} may={!!may('routing:manage')} /> : <Rows n={3} />}</Part>
    </div>
  )
}

function Said({ h }: { h: Rhythm }) {
  let words: ReactNode = t('console.rhythm.offWords')
  if (h.state === 'learning') words = t('console.rhythm.learningWords')
  else if (h.state === 'silent') words = <span className="font-medium text-warm">{t('console.rhythm.silentWords')} <When at={h.silent_since!} /></span>
  else if (h.state === 'well') words = h.due_at ? <>{t('console.rhythm.wellWords')} <When at={h.due_at} /></> : t('console.rhythm.wellNever')
  return (
    <div className="mb-3 flex flex-wrap items-end gap-x-8 gap-y-2">
      <dl className="flex gap-8">
        <div><dt className="text-sm text-soft">{t('console.source.last')}</dt><dd className="figures text-xl font-semibold">{h.last_at ? <Ago at={h.last_at} /> : '–'}</dd></div>
        <div>
          <dt className="text-sm text-soft">{t('console.rhythm.day')}</dt>
          <dd className="figures text-xl font-semibold">{count(h.day)}{h.usual_day != null && <span className="ms-2 text-sm font-normal text-soft">{t('console.rhythm.usual', { n: count(Math.round(h.usual_day)) })}</span>}</dd>
        </div>
      </dl>
      <p className="min-w-60 flex-1 pb-0.5 text-sm text-soft">{words}</p>
    </div>
  )
}

function Week({ h }: { h: Rhythm }) {
  const hour = new Intl.DateTimeFormat('en', { timeZone: h.time_zone, hour: 'numeric', hourCycle: 'h23' })
  const day = new Intl.DateTimeFormat(locale(), { timeZone: h.time_zone, weekday: 'short' })
  const hours = h.hours.map((x) => ({ value: x.n, usual: x.usual, day: hour.format(new Date(x.at)) === '0' || hour.format(new Date(x.at)) === '00' ? day.format(new Date(x.at)) : undefined }))
  return <Hours label={t('console.rhythm.chart')} usually={t('console.rhythm.usually')} hours={hours} />
}

const patiences = [50, 100, 200, 400]

function WatchForm({ source, h, may }: { source: string; h: Rhythm; may: boolean }) {
  const [w, change] = useState<Watch>(h.watch)
  const save = useMutation({
    mutationFn: (body: Watch) => ok(api.PUT('/v1/sources/{id}/watch', { params: { path: { id: source } }, body })),
    onSuccess: (now) => {
      queries.setQueryData(['sources', 'health', source], now)
      say(t('console.people.changed'), { kind: 'good' })
    },
    onError: sayFields,
  })
  const faults = save.isError ? faultOf(save.error).fields : {}
  const submit = (e: FormEvent) => {
    e.preventDefault()
    save.mutate(w)
  }
  const put = (part: Partial<Watch>) => change({ ...w, ...part })
  const levels = [...new Set([...patiences, w.patience])].sort((a, b) => a - b)
  return (
    <form onSubmit={submit} className="grid gap-4">
      <Select disabled={!may} label={t('console.rhythm.mode')} value={w.mode} onChange={(mode) => put({ mode })} choices={(['learned', 'minutes', 'off'] as const).map((m) => ({ value: m, label: t(`console.rhythm.by.${m}`) }))} />
      {w.mode === 'learned' && <Select disabled={!may} label={t('console.rhythm.patience')} value={String(w.patience)} onChange={(v) => put({ patience: Number(v) })} choices={levels.map((n) => ({ value: String(n), label: n === 50 ? t('console.rhythm.sooner') : n === 100 ? t('console.rhythm.asLearned') : t('console.rhythm.times', { n: count(n / 100) }) }))} />}
      {w.mode === 'minutes' && <Field disabled={!may} name="minutes" type="number" min={5} max={40_320} required label={t('console.rhythm.minutes')} help={t('console.rhythm.minutesHelp')} value={w.minutes || ''} onChange={(e) => put({ minutes: Number(e.target.value) })} fault={faults.minutes} className="max-w-60" inputClass="figures" />}
      {w.mode !== 'off' && (
        <fieldset>
          <legend className="text-sm font-medium">{t('console.rhythm.quiet')}</legend>
          <p className="mb-2 text-sm text-soft">{t('console.rhythm.quietHelp', { zone: h.time_zone })}</p>
          <HourRows hours={w.quiet} set={(quiet) => put({ quiet })} disabled={!may} />
          {may && <Button type="button" className="mt-2" icon="plus" onClick={() => put({ quiet: [...w.quiet, { weekday: [6, 0, 1, 2, 3, 4, 5].find((d) => !w.quiet.some((q) => q.weekday === d)) ?? 6, start_minute: 0, end_minute: 1440 }] })}>{t('console.rhythm.quietAdd')}</Button>}
        </fieldset>
      )}
      {may && <div><Button type="submit" busy={save.isPending}>{t('console.source.save')}</Button></div>}
    </form>
  )
}
