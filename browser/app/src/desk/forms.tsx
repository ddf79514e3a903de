import { useState } from 'react'
import { faultOf } from '../lib/fault'
import { t } from '../lib/words'
import { Button } from '../ui/button'
import { Field, TextField } from '../ui/field'
import { Select } from '../ui/select'
import { Sheet } from '../ui/sheet'
import { say } from '../ui/toast'
import { later, type Lead, useBook, useGiveBack, useNext, useNote, usePlan, useStage, useSuppress } from './data'
import { TimePicker } from './picker'
import { localInput, suggestions } from './times'

interface Props {
  lead: Lead
  open: boolean
  onClose: () => void
}

const kept = (onClose: () => void) => (told?: unknown) => {
  if (told === later) say(t('desk.local.later'), { kind: 'good', words: t('desk.local.laterWords') })
  else say(t('desk.form.kept'), { kind: 'good' })
  onClose()
}

export function NextSheet({ lead, open, onClose }: Props) {
  const set = useNext(lead.id)
  const done = { onSuccess: kept(onClose) }
  return (
    <Sheet open={open} onClose={onClose} title={t('desk.next.title')}>
      <TimePicker soon={false} what={lead.next_what ?? 'call'} busy={set.isPending} onChoose={(next) => set.mutate(next, done)} />
      {lead.next_at && <Button look="quiet" wide className="mt-3" onClick={() => set.mutate({ at: null }, done)}>{t('desk.next.remove')}</Button>}
    </Sheet>
  )
}

export function NoteSheet({ lead, open, onClose }: Props) {
  const [text, write] = useState('')
  const add = useNote(lead.id)
  const send = () => add.mutate(text.trim(), { onSuccess: (told) => { write(''); kept(onClose)(told) } })
  return (
    <Sheet open={open} onClose={onClose} title={t('desk.do.note')} actions={<Button look="primary" wide busy={add.isPending} disabled={!text.trim()} onClick={send}>{t('desk.form.keep')}</Button>}>
      <TextField label={t('desk.form.note')} rows={6} autoFocus value={text} onChange={(e) => write(e.target.value)} help={t('desk.form.noteHelp')} fault={add.error ? faultOf(add.error).fields.text : undefined} />
    </Sheet>
  )
}

export function VisitSheet({ lead, open, onClose }: Props) {
  const [at, pick] = useState(() => localInput(suggestions(new Date(), false).at(-2)!.at))
  const [place, write] = useState('')
  const plan = usePlan(lead.id)
  const send = () => plan.mutate({ at: new Date(at).toISOString(), ...(place.trim() ? { place: place.trim() } : {}) }, { onSuccess: kept(onClose) })
  const f = plan.error ? faultOf(plan.error).fields : {}
  return (
    <Sheet open={open} onClose={onClose} title={t('desk.do.visit')} actions={<Button look="primary" wide busy={plan.isPending} disabled={!at} onClick={send}>{t('desk.form.plan')}</Button>}>
      <div className="flex flex-col gap-4">
        <Field label={t('desk.times.at')} type="datetime-local" value={at} min={localInput(new Date())} onChange={(e) => pick(e.currentTarget.value)} fault={f.at} />
        <Field label={t('desk.form.place')} value={place} onChange={(e) => write(e.currentTarget.value)} help={t('desk.form.placeHelp')} fault={f.place} />
      </div>
    </Sheet>
  )
}

const currencies = ['GBP', 'EUR', 'USD', 'INR', 'AED'].map((value) => ({ value, label: value }))

export function BookSheet({ lead, open, onClose }: Props) {
  const [unit, write] = useState('')
  const [value, type] = useState('')
  const [currency, take] = useState(() => localStorage.getItem('catchment.currency') ?? 'GBP')
  const book = useBook(lead.id)
  const amount = Math.round(Number(value.replace(/[\s,]/g, '')) * 100)
  const send = () => {
    localStorage.setItem('catchment.currency', currency)
    book.mutate({ value_minor: amount, currency, ...(unit.trim() ? { unit: unit.trim() } : {}), stage: { category: 'won' } }, { onSuccess: kept(onClose) })
  }
  const f = book.error ? faultOf(book.error) : null
  return (
    <Sheet open={open} onClose={onClose} title={t('desk.do.booking')} actions={<Button look="primary" wide busy={book.isPending} disabled={!(amount > 0)} onClick={send}>{t('desk.form.book')}</Button>}>
      <div className="flex flex-col gap-4">
        <Field label={t('desk.form.unit')} value={unit} onChange={(e) => write(e.currentTarget.value)} help={t('desk.form.unitHelp')} fault={f?.fields.unit ?? (f?.code === 'unit_booked' ? f.detail : undefined)} />
        <div className="grid grid-cols-[1fr_112px] gap-3">
          <Field label={t('desk.form.value')} inputMode="decimal" dir="ltr" value={value} onChange={(e) => type(e.currentTarget.value)} fault={f?.fields.value_minor} />
          <Select label={t('desk.form.currency')} value={currency} onChange={take} choices={currencies} />
        </div>
        <p className="text-sm text-soft">{t('desk.form.bookHelp')}</p>
      </div>
    </Sheet>
  )
}

const reasons = ['too-expensive', 'not-now', 'bought-elsewhere', 'not-reachable', 'not-interested', 'not-real'] as const

export function CloseSheet({ lead, open, onClose }: Props) {
  const close = useStage(lead.id)
  return (
    <Sheet open={open} onClose={onClose} title={t('desk.do.close')}>
      <p className="mb-3 text-soft">{t('desk.form.why')}</p>
      <div className="grid grid-cols-2 gap-2">
        {reasons.map((reason) => (
          <Button key={reason} wide className="justify-start text-start whitespace-normal" disabled={close.isPending} onClick={() => close.mutate({ category: 'dropped', reason }, { onSuccess: kept(onClose) })}>
            {t(`desk.reason.${reason}`)}
          </Button>
        ))}
      </div>
    </Sheet>
  )
}

export function GiveBackSheet({ lead, open, onClose }: Props) {
  const [text, write] = useState('')
  const give = useGiveBack(lead.id)
  return (
    <Sheet open={open} onClose={onClose} title={t('desk.do.giveBack')} actions={<Button look="primary" wide busy={give.isPending} onClick={() => give.mutate(text.trim(), { onSuccess: kept(onClose) })}>{t('desk.form.giveBack')}</Button>}>
      <TextField label={t('desk.form.forNext')} rows={4} value={text} onChange={(e) => write(e.target.value)} help={t('desk.form.giveBackHelp')} />
    </Sheet>
  )
}

export function StopSheet({ lead, open, onClose }: Props) {
  const [text, write] = useState('')
  const stop = useSuppress(lead.id, lead.person_id)
  return (
    <Sheet open={open} onClose={onClose} title={t('desk.do.stop')} actions={<Button look="lost" wide busy={stop.isPending} onClick={() => stop.mutate(text.trim(), { onSuccess: kept(onClose) })}>{t('desk.form.stop')}</Button>}>
      <p className="mb-4 text-soft">{t('desk.form.stopHelp')}</p>
      <TextField label={t('desk.form.evidence')} rows={4} value={text} onChange={(e) => write(e.target.value)} />
    </Sheet>
  )
}
