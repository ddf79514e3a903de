import { useMutation, useQuery } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { api, ok, type Schemas } from '../lib/api'
import { faultOf } from '../lib/fault'
import { count } from '../lib/format'
import { queries } from '../lib/query'
import { t } from '../lib/words'
import { Button } from '../ui/button'
import { Dialog } from '../ui/dialog'
import { Field } from '../ui/field'
import { When } from '../ui/time'
import { formFault, say } from '../ui/toast'
import { Asked } from './settings'

const key = ['account', 'retention']
const rules = ['lead_days', 'test_lead_days', 'submission_days', 'attachment_days', 'file_days'] as const
const counts = ['persons', 'leads', 'test_persons', 'test_leads', 'submissions', 'attachments', 'files'] as const

/** What goes by itself after the account's days. What new rules would take is counted before they are set. */
export function Retention() {
  const now = useQuery({ queryKey: key, queryFn: () => ok(api.GET('/v1/retention')) })
  const [asked, ask] = useState<{ rules: Schemas['RetentionRules']; seen: Schemas['RetentionPreview'] | null } | null>(null)
  const look = useMutation({
    mutationFn: async (r: Schemas['RetentionRules']) => ({ rules: r, seen: rules.some((k) => r[k]) ? await ok(api.POST('/v1/retention/preview', { body: r })) : null }),
    onSuccess: ask,
    onError: (e) => void formFault(e),
  })
  const wrong = look.isError ? faultOf(look.error).fields : {}
  const submit = (e: FormEvent<HTMLFormElement>) => {
    e.preventDefault()
    const f = new FormData(e.currentTarget)
    const days = (k: string) => Number(f.get(k) || 0)
    look.mutate({ lead_days: days('lead_days'), test_lead_days: days('test_lead_days'), submission_days: days('submission_days'), attachment_days: days('attachment_days'), file_days: days('file_days') })
  }
  const r = now.data
  return (
    <Asked title={t('console.retention.title')} query={now}>
      {r && (
        <form onSubmit={submit} className="grid gap-5">
          <p className="text-sm text-soft">{t('console.retention.words')}</p>
          {rules.map((k) => (
            <Field key={`${k} ${r.set_at}`} name={k} type="number" min={0} max={3650} label={t(`console.retention.${k}`)} help={t(`console.retention.${k}Help`)} defaultValue={r.rules[k] || ''} fault={wrong[k]} className="max-w-80" inputClass="figures" />
          ))}
          {r.begins_at && <p className="text-sm">{t('console.retention.begins')} <When at={r.begins_at} /></p>}
          {r.ran && (
            <div>
              <p className="mb-2 text-sm font-medium">{t('console.retention.ran')}</p>
              <Counts of={r.ran} />
            </div>
          )}
          <div><Button type="submit" look="primary" busy={look.isPending}>{t('console.retention.look')}</Button></div>
        </form>
      )}
      {asked && <Sure {...asked} onClose={() => ask(null)} />}
    </Asked>
  )
}

function Counts({ of }: { of: Schemas['RetentionCounts'] }) {
  return (
    <dl className="grid max-w-80 grid-cols-[1fr_auto] gap-x-6 gap-y-1 text-sm">
      {counts.map((k) => [<dt key={k} className="text-soft">{t(`console.retention.${k}`)}</dt>, <dd key={`${k} n`} className="figures text-end">{count(of[k])}</dd>])}
    </dl>
  )
}

function Sure({ rules: body, seen, onClose }: { rules: Schemas['RetentionRules']; seen: Schemas['RetentionPreview'] | null; onClose: () => void }) {
  const set = useMutation({
    mutationFn: () => ok(api.PUT('/v1/retention', { body })),
    onSuccess: (now) => {
      queries.setQueryData(key, now)
      say(t('console.people.changed'), { kind: 'good' })
      onClose()
    },
    onError: (e) => void formFault(e),
  })
  return (
    <Dialog open onClose={onClose} title={seen ? t('console.retention.ask') : t('console.retention.askOff')} words={seen ? t('console.retention.askWords') : t('console.retention.offWords')}>
      <div className="grid gap-5">
        {seen && <Counts of={seen.would} />}
        {seen?.more && <p className="text-sm text-warm">{t('console.retention.more')}</p>}
        <div className="flex justify-end gap-2"><Button type="button" look="quiet" onClick={onClose}>{t('common.cancel')}</Button><Button type="button" look={seen ? 'lost' : 'primary'} busy={set.isPending} onClick={() => set.mutate()}>{t(seen ? 'console.retention.set' : 'console.retention.off')}</Button></div>
      </div>
    </Dialog>
  )
}
