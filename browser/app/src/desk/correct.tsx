import { useState } from 'react'
import { faultOf } from '../lib/fault'
import { t } from '../lib/words'
import { Button } from '../ui/button'
import { Field } from '../ui/field'
import { Sheet } from '../ui/sheet'
import { formFault, say } from '../ui/toast'
import { type Correction, type Lead, useCorrect } from './data'

/** Puts right what an enquiry said wrongly; what is left as it is, is not sent. */
export function CorrectSheet({ lead, onClose }: { lead: Lead; onClose: () => void }) {
  const stood = { name: lead.person?.name ?? '', phone: lead.person?.phone ?? '', email: lead.person?.email ?? '' }
  const [now, write] = useState(stood)
  const correct = useCorrect(lead.id, lead.person_id)
  const changed = (['name', 'phone', 'email'] as const).filter((f) => now[f].trim() !== stood[f])
  const send = () =>
    correct.mutate(Object.fromEntries(changed.map((f) => [f, now[f].trim()])) as Correction, {
      onSuccess: (r) => {
        say(r.possible_duplicates.some((d) => d.kind === 'corrected') ? t('desk.form.otherToo') : t('desk.form.kept'), { kind: 'good' })
        onClose()
      },
      onError: (e) => void formFault(e),
    })
  const fields = correct.error ? faultOf(correct.error).fields : {}
  const type = (f: keyof typeof now) => (e: { currentTarget: { value: string } }) => write({ ...now, [f]: e.currentTarget.value })
  return (
    <Sheet open onClose={onClose} title={t('desk.do.correct')} actions={<Button look="primary" wide busy={correct.isPending} disabled={changed.length === 0} onClick={send}>{t('desk.form.correct')}</Button>}>
      <div className="flex flex-col gap-4">
        <Field label={t('desk.form.name')} value={now.name} autoComplete="off" onChange={type('name')} fault={fields.name} />
        <Field label={t('desk.contact.phone')} type="tel" inputMode="tel" dir="ltr" value={now.phone} autoComplete="off" onChange={type('phone')} fault={fields.phone} />
        <Field label={t('desk.contact.email')} type="email" inputMode="email" dir="ltr" value={now.email} autoComplete="off" onChange={type('email')} fault={fields.email} />
        <p className="text-sm text-soft">{t('desk.form.correctHelp')}</p>
      </div>
    </Sheet>
  )
}
