import { useState } from 'react'
import { when } from '../lib/format'
import { t, tOf } from '../lib/words'
import { Badge } from '../ui/badge'
import { Button } from '../ui/button'
import { cx } from '../ui/cx'
import { TextField } from '../ui/field'
import { Icon } from '../ui/icon'
import { Sheet } from '../ui/sheet'
import { Running } from '../ui/time'
import { say } from '../ui/toast'
import { type Channel, type Disposition, later, type Lead, type Result, useResult } from './data'
import { TimePicker } from './picker'
import { finish, type Trying } from './trying'

const reached: Disposition[] = ['interested', 'call-back', 'spoke', 'not-interested']
const missed: Disposition[] = ['no-answer', 'busy', 'unreachable', 'wrong-number']
const isMessage = (c: Channel) => c === 'whatsapp' || c === 'sms' || c === 'email'

/** How it went, in two taps: what happened, then what is next. */
export function OutcomeSheet({ lead, trying }: { lead: Lead; trying: Trying }) {
  const [disposition, choose] = useState<Disposition | null>(null)
  const [note, write] = useState('')
  const tell = useResult(lead.id)
  const send = (rest: Omit<Result, 'disposition' | 'note'>) => {
    if (!disposition) return
    const result: Result = { disposition, ...rest, ...(note.trim() ? { note: note.trim() } : {}) }
    // Somebody who was reached is not new any more.
    if (!result.stage && reached.includes(disposition) && lead.stage.category === 'new') result.stage = { category: 'follow-up' }
    tell.mutate(
      { tried: trying, result },
      {
        onSuccess: (told) => {
          if (told === later) say(t('desk.local.later'), { kind: 'good', words: t('desk.local.laterWords') })
          else say(t('desk.outcome.kept'), { kind: 'good', words: rest.next?.at ? t('desk.outcome.next', { at: when(rest.next.at) }) : undefined })
          finish()
        },
      },
    )
  }
  return (
    <Sheet open onClose={finish} title={disposition ? t('desk.outcome.then') : t('desk.outcome.title')}>
      {disposition ? (
        <div className="flex flex-col gap-4">
          <div className="flex items-center justify-between">
            <Badge tone={reached.includes(disposition) ? 'good' : 'plain'}>{tOf('desk.disposition', disposition)}</Badge>
            <Button look="quiet" icon="pen" onClick={() => choose(null)}>{t('desk.outcome.change')}</Button>
          </div>
          <Then disposition={disposition} busy={tell.isPending} onSend={send} />
          <TextField label={t('desk.outcome.note')} rows={2} value={note} onChange={(e) => write(e.target.value)} />
        </div>
      ) : (
        <>
          <p className="mb-3 text-sm text-soft">
            {tOf('desk.channel', trying.channel)} · <Running since={trying.at} />
          </p>
          {isMessage(trying.channel) && <Choices of={['sent']} onChoose={choose} />}
          <Choices of={reached} onChoose={choose} title={t('desk.outcome.reached')} />
          <Choices of={isMessage(trying.channel) ? ['wrong-number', 'unreachable'] : missed} onChoose={choose} title={t('desk.outcome.missed')} />
          <Button look="quiet" wide className="mt-4" onClick={finish}>{t('desk.outcome.later')}</Button>
        </>
      )}
    </Sheet>
  )
}

function Choices({ of, onChoose, title }: { of: Disposition[]; onChoose: (d: Disposition) => void; title?: string }) {
  const good = of === reached
  return (
    <section className="mb-4">
      {title && <h3 className="mb-2 text-sm font-medium text-soft">{title}</h3>}
      <div className="grid auto-rows-fr grid-cols-2 gap-2">
        {of.map((d) => (
          <button
            key={d}
            type="button"
            onClick={() => onChoose(d)}
            className={cx('flex min-h-13 items-center gap-2.5 rounded border border-line bg-surface px-3.5 text-start font-medium hover:bg-hover focus-visible:outline-2 focus-visible:outline-accent')}
          >
            <Icon name={good ? 'check' : d === 'sent' ? 'message' : 'cross'} className={cx('size-4.5', good ? 'text-good' : 'text-faint')} />
            {tOf('desk.disposition', d)}
          </button>
        ))}
      </div>
    </section>
  )
}

function Then({ disposition, busy, onSend }: { disposition: Disposition; busy: boolean; onSend: (r: Omit<Result, 'disposition'>) => void }) {
  const over = disposition === 'not-interested' || disposition === 'wrong-number'
  return (
    <>
      {over && (
        <Button wide icon="cross" busy={busy} onClick={() => onSend({ stage: { category: 'dropped', reason: disposition } })}>
          {t('desk.outcome.drop')}
        </Button>
      )}
      <TimePicker
        soon={disposition === 'no-answer' || disposition === 'busy' || disposition === 'unreachable'}
        busy={busy}
        what={disposition === 'sent' ? 'message' : 'call'}
        onChoose={(next) => onSend({ next })}
      />
      <Button look="quiet" wide busy={busy} onClick={() => onSend({})}>{t('desk.outcome.nothing')}</Button>
    </>
  )
}
