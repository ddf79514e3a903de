import { useState } from 'react'
import { clockTime, when } from '../lib/format'
import { t, tOf } from '../lib/words'
import { Button } from '../ui/button'
import { Field } from '../ui/field'
import { Select } from '../ui/select'
import type { Next } from './data'
import { localInput, suggestions } from './times'

type What = NonNullable<Next['what']>
const whats: What[] = ['call', 'message', 'meet', 'visit', 'other']

/** When the next action is: a tap on a sensible time, or any other. */
export function TimePicker({ soon, busy, what, onChoose }: { soon: boolean; busy: boolean; what: What; onChoose: (next: Next) => void }) {
  const [now] = useState(() => new Date())
  const [kind, take] = useState<What>(what)
  const [own, pick] = useState<string | null>(null)
  return (
    <div className="flex flex-col gap-3">
      <Select label={t('desk.next.what')} value={kind} onChange={take} choices={whats.map((value) => ({ value, label: tOf('desk.what', value) }))} />
      <div role="group" aria-label={t('desk.next.when')} className="grid auto-rows-fr grid-cols-2 gap-2">
        {suggestions(now, soon).map((s) => (
          <button
            key={s.id}
            type="button"
            disabled={busy}
            onClick={() => onChoose({ at: s.at.toISOString(), what: kind })}
            className="flex min-h-14 flex-col items-start justify-center rounded border border-line bg-surface px-3.5 text-start hover:bg-hover focus-visible:outline-2 focus-visible:outline-accent disabled:opacity-55"
          >
            <span className="font-medium">{t(`desk.times.${s.id}`)}</span>
            <span className="figures text-sm text-soft">{s.id === 'tomorrow' ? clockTime(s.at) : when(s.at, now)}</span>
          </button>
        ))}
        <button type="button" onClick={() => pick(localInput(suggestions(now, false)[0]!.at))} className="flex min-h-14 items-center rounded border border-line bg-surface px-3.5 text-start font-medium hover:bg-hover focus-visible:outline-2 focus-visible:outline-accent">
          {t('desk.times.own')}
        </button>
      </div>
      {own !== null && (
        <div className="flex items-end gap-2">
          <Field className="flex-1" label={t('desk.times.at')} type="datetime-local" min={localInput(now)} value={own} onChange={(e) => pick(e.currentTarget.value)} />
          <Button look="primary" busy={busy} disabled={!own} onClick={() => onChoose({ at: new Date(own).toISOString(), what: kind })}>{t('desk.next.set')}</Button>
        </div>
      )}
    </div>
  )
}
