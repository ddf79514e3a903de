import { useMutation } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { api, ok, type Schemas } from '../lib/api'
import { type Fault, faultOf } from '../lib/fault'
import { queries } from '../lib/query'
import { t } from '../lib/words'
import { Button } from '../ui/button'
import { Field } from '../ui/field'
import { Select } from '../ui/select'
import { say, sayFault } from '../ui/toast'
import { useSources } from './data'
import { minorOf, spread } from './money'

/** What was paid in a month for a source or a campaign: a lead's and a booking's cost is made of it. */
export function Spend({ onClose }: { onClose: () => void }) {
  const sources = useSources().data ?? []
  const [of, choose] = useState<'source' | 'campaign'>('campaign')
  const [source, setSource] = useState<string | null>(null)
  const [fault, fail] = useState<Record<string, string>>({})
  const send = useMutation({
    mutationFn: (items: Schemas['SpendItem'][]) => ok(api.POST('/v1/spend', { body: { items } })),
    onSuccess: () => {
      say(t('console.spend.saved'), { kind: 'good' })
      void queries.invalidateQueries({ queryKey: ['figures'] })
      onClose()
    },
    onError: (e) => {
      const f: Fault = faultOf(e)
      const currency = Object.entries(f.fields).find(([k]) => k.endsWith('currency'))?.[1]
      if (currency) fail({ currency })
      else sayFault(e)
    },
  })
  const submit = (e: FormEvent<HTMLFormElement>) => {
    e.preventDefault()
    const f = Object.fromEntries([...new FormData(e.currentTarget)].map(([k, v]) => [k, String(v).trim()])) as Record<string, string>
    const currency = f.currency!.toUpperCase()
    const minor = minorOf(f.amount!, currency)
    const bad = { ...(minor === null ? { amount: t('console.spend.badAmount') } : {}), ...(/^\d{4}-(0[1-9]|1[0-2])$/.test(f.month!) ? {} : { month: t('console.spend.badMonth') }) }
    fail(bad)
    if (Object.keys(bad).length || minor === null) return
    const what = of === 'source' ? { source_id: source! } : { campaign: f.campaign! }
    send.mutate(spread(f.month!, minor).map((d) => ({ day: d.day, currency, amount_minor: d.minor, ...what })))
  }
  return (
    <form onSubmit={submit} className="grid gap-4">
        <p className="text-soft">{t('console.spend.words')}</p>
        <Select label={t('console.spend.of')} value={of} onChange={choose} choices={[{ value: 'campaign', label: t('console.by.campaign') }, { value: 'source', label: t('console.by.source') }]} />
        {of === 'source' ? (
          <Select label={t('console.by.source')} value={source} onChange={setSource} choices={sources.map((s) => ({ value: s.id, label: s.name }))} />
        ) : (
          <Field name="campaign" label={t('console.by.campaign')} help={t('console.spend.campaignHelp')} required maxLength={100} autoComplete="off" />
        )}
        <Field name="month" label={t('console.spend.month')} type="month" required defaultValue={new Date().toISOString().slice(0, 7)} fault={fault.month} inputClass="ltr" />
        <Field name="amount" label={t('console.spend.amount')} required inputMode="decimal" placeholder="1250.00" fault={fault.amount} inputClass="ltr" autoComplete="off" />
        <Field name="currency" label={t('console.spend.currency')} required maxLength={3} defaultValue="EUR" fault={fault.currency} inputClass="ltr uppercase" autoComplete="off" />
        <div><Button type="submit" look="primary" disabled={of === 'source' && !source} busy={send.isPending}>{t('console.spend.save')}</Button></div>
    </form>
  )
}
