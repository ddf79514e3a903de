import { useMutation, useQuery } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { useProjects } from '../console/data'
import { api, ok, type Schemas } from '../lib/api'
import { faultOf } from '../lib/fault'
import { queries } from '../lib/query'
import { t, useArea } from '../lib/words'
import { Button } from '../ui/button'
import { Field, TextField } from '../ui/field'
import { Select } from '../ui/select'
import { Sheet } from '../ui/sheet'
import { formFault, say } from '../ui/toast'
import { Fields, idsIn } from './fields'
import { useSupporters } from './who'

const hours = [1, 8, 24, 168, 720] as const

/** Lets somebody of the platform open the chosen leads, those that a filter means, or others, for a time. */
export function LetSupport({ leads = [], filter, onClose }: { leads?: string[]; filter?: Schemas['LeadFilter']; onClose: () => void }) {
  const area = useQuery({ queryKey: ['words', 'opening'], staleTime: Infinity, queryFn: () => useArea('opening').then(() => true) })
  if (!area.data) return null
  return <Sheet open onClose={onClose} title={t('grant.make')}><Form leads={leads} filter={filter} onClose={onClose} /></Sheet>
}

function Form({ leads, filter, onClose }: { leads: string[]; filter?: Schemas['LeadFilter']; onClose: () => void }) {
  const support = useSupporters().data
  const projects = useProjects().data ?? []
  const [to, give] = useState<string | null>(null)
  const [which, choose] = useState(leads.length ? 'chosen' : filter ? 'fitting' : 'ids')
  const [may, let_] = useState<readonly string[]>(['name', 'phone'])
  const [long, last] = useState('1')
  const whom = to ?? support?.[0]?.id ?? null
  const send = useMutation({
    mutationFn: (f: { ids: string[]; reason: string }) =>
      ok(api.POST('/v1/grants', {
        body: {
          to: whom!, fields: [...may], reason: f.reason, until: new Date(Date.now() + Number(long) * 3_600_000).toISOString(),
          ...(which === 'chosen' ? { leads } : which === 'fitting' ? { filter } : which === 'ids' ? { leads: f.ids } : { project_id: which }),
        },
      })),
    onSuccess: () => {
      say(t('grant.form.made'), { kind: 'good' })
      void queries.invalidateQueries({ queryKey: ['grants'] })
      onClose()
    },
    onError: (e) => void formFault(e),
  })
  const wrong = send.isError ? faultOf(send.error).fields : {}
  const submit = (e: FormEvent<HTMLFormElement>) => {
    e.preventDefault()
    const f = new FormData(e.currentTarget)
    send.mutate({ ids: idsIn(f.get('ids')), reason: String(f.get('reason')).trim() })
  }
  const span = (n: number) => (n < 24 ? t('grant.form.hours', { count: n }) : t('grant.form.days', { count: n / 24 }))
  if (support && !support.length) return <p className="text-soft">{t('grant.form.noSupport')}</p>
  return (
    <form onSubmit={submit} className="grid gap-5">
      <p className="text-sm text-soft">{t('grant.form.words')}</p>
      <Select label={t('grant.to')} value={whom} onChange={give} choices={(support ?? []).map((s) => ({ value: s.id, label: s.name }))} />
      <Select
        label={t('grant.form.which')}
        value={which}
        onChange={choose}
        choices={[
          ...(leads.length ? [{ value: 'chosen', label: t('grant.form.chosen', { count: leads.length }) }] : []),
          ...(filter ? [{ value: 'fitting', label: t('grant.form.fitting') }] : []),
          { value: 'ids', label: t('grant.form.ids') },
          ...projects.map((p) => ({ value: p.id, label: t('grant.form.ofProject', { name: p.name }) })),
        ]}
      />
      {which === 'ids' && <TextField name="ids" dir="ltr" required rows={3} label={t('grant.theLeads')} help={t('grant.form.idsHelp')} fault={wrong.leads} />}
      {which !== 'ids' && (wrong.leads ?? wrong.filter ?? wrong.project_id) && <p role="alert" className="text-sm text-lost">{wrong.leads ?? wrong.filter ?? wrong.project_id}</p>}
      <Fields words={t('grant.form.fields')} value={may} onChange={let_} />
      <Select label={t('grant.form.long')} value={long} onChange={last} choices={hours.map((n) => ({ value: String(n), label: span(n) }))} />
      <Field name="reason" required maxLength={200} autoComplete="off" label={t('grant.reason')} help={t('grant.form.reasonHelp')} fault={wrong.reason} />
      <div className="flex justify-end gap-2">
        <Button type="button" look="quiet" onClick={onClose}>{t('common.cancel')}</Button>
        <Button type="submit" look="primary" disabled={!whom || may.length === 0} busy={send.isPending}>{t('grant.form.go')}</Button>
      </div>
    </form>
  )
}
