import { useInfiniteQuery, useMutation, useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { type FormEvent, useState } from 'react'
import { Page, Sorry } from '../console/page'
import { localInput } from '../desk/times'
import { api, ok, type Schemas } from '../lib/api'
import { faultOf } from '../lib/fault'
import { full } from '../lib/format'
import { queries } from '../lib/query'
import { useSession } from '../lib/session'
import { t } from '../lib/words'
import { Badge, type Tone } from '../ui/badge'
import { Button } from '../ui/button'
import { Confirm } from '../ui/dialog'
import { Empty } from '../ui/empty'
import { Field, TextField } from '../ui/field'
import { Select } from '../ui/select'
import { Sheet } from '../ui/sheet'
import { Rows } from '../ui/skeleton'
import { Countdown, When } from '../ui/time'
import { formFault, say, sayFault } from '../ui/toast'
import { Fields, fieldsOf, idsIn } from './fields'

type Approval = Schemas['Approval']
const key = ['approvals']
const tones: Record<Approval['state'], Tone> = { asked: 'accent', approved: 'warm', open: 'warm', ended: 'plain', closed: 'plain', lapsed: 'plain' }
const minutes = [5, 15, 30, 60] as const
const levels = ['info', 'warn', 'error'] as const
const any = '*'

const useAccounts = () => useQuery({ queryKey: ['platform', 'accounts', 'all'], staleTime: 60_000, queryFn: () => ok(api.GET('/v1/operator/accounts', { params: { query: { limit: 500 } } })).then((l) => l.items) })

/** What operators ask others to approve: leads of one account, opened without its grant, or a part of the log. */
export function Approvals() {
  const [asking, ask] = useState(false)
  const list = useInfiniteQuery({
    queryKey: key,
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam }) => ok(api.GET('/v1/operator/approvals', { params: { query: { limit: 50, cursor: pageParam } } })),
    getNextPageParam: (p) => p.next_cursor,
    refetchInterval: 3000, // others act meanwhile
  })
  const rows = list.data?.pages.flatMap((p) => p.items) ?? []
  return (
    <Page title={t('approval.title')} words={t('approval.words')} action={<Button look="primary" icon="plus" onClick={() => ask(true)}>{t('approval.ask')}</Button>}>
      {list.isError && !list.data ? <Sorry error={list.error} again={() => void list.refetch()} /> : list.isPending ? <Rows n={4} tall /> : rows.length === 0 ? <Empty title={t('approval.none')} words={t('approval.noneWords')} /> : <ul>{rows.map((r) => <One key={r.id} r={r} />)}</ul>}
      {list.hasNextPage && <Button className="mt-4" busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>{t('console.held.more')}</Button>}
      <Sheet open={asking} onClose={() => ask(false)} title={t('approval.ask')}>{asking && <Ask onClose={() => ask(false)} />}</Sheet>
    </Page>
  )
}

function One({ r }: { r: Approval }) {
  const self = useSession()?.user_id
  const account = useAccounts().data?.find((a) => a.id === r.account_id)?.name
  const [asked, ask] = useState<'approve' | 'close' | null>(null)
  const mine = r.by === self
  const act = useMutation({
    mutationFn: (verb: 'approve' | 'close') => ok(api.POST(`/v1/operator/approvals/{id}/${verb}`, { params: { path: { id: r.id } } })),
    onSuccess: (_, verb) => say(t(verb === 'approve' ? 'approval.isApproved' : 'approval.state.closed'), { kind: 'good' }),
    onError: sayFault,
    onSettled: () => {
      ask(null)
      void queries.invalidateQueries({ queryKey: key })
    },
  })
  const over = r.state === 'ended' || r.state === 'closed' || r.state === 'lapsed'
  const runs = r.state === 'open'
  return (
    <li className="flex flex-wrap items-center gap-x-5 gap-y-2 border-b border-line py-3 text-sm">
      <span className="min-w-60 flex-1">
        <span className="font-medium">{r.log ? t('log.title') : (account ?? <span dir="ltr" className="font-mono text-xs">{r.account_id}</span>)}</span> <span dir="auto">· {r.purpose}</span>
        <span className="block text-soft">{scopeOf(r, account).join(' · ')}</span>
        <span className="block text-soft">{t('approval.have', { n: r.approvals.length, needed: r.needed })}{mine && ` · ${t('approval.yours')}`} · <When at={r.asked_at} /></span>
      </span>
      <Badge tone={tones[r.state]}>{t(`approval.state.${r.state}`)}</Badge>
      {runs && r.opened_at && r.ends_at && <span><Countdown from={r.opened_at} to={r.ends_at} className="text-lg font-semibold" /> {t('approval.left')}</span>}
      {r.state === 'asked' && <span className="text-soft">{t('approval.lapses')} <When at={r.lapses_at} /></span>}
      {runs && mine && r.log && <Link to="/console/platform/approvals/$id" params={{ id: r.id }} className="font-medium text-accent underline underline-offset-4">{t('approval.read')}</Link>}
      {runs && mine && r.grant_id && <Link to="/console/platform/grants/$id" params={{ id: r.grant_id }} className="font-medium text-accent underline underline-offset-4">{t('approval.read')}</Link>}
      <span className="flex flex-wrap gap-2 empty:hidden">
        {r.state === 'asked' && !mine && !r.approvals.some((a) => a.by === self) && <Button look="primary" onClick={() => ask('approve')}>{t('approval.approve')}</Button>}
        {!over && <Button look="lost" onClick={() => ask('close')}>{t(runs ? 'approval.end' : mine ? 'approval.withdraw' : 'approval.refuse')}</Button>}
      </span>
      <Confirm open={asked === 'approve'} onClose={() => ask(null)} title={t(r.log ? 'approval.approveLog' : 'approval.approveAsk')} words={<span dir="auto">{[account, r.purpose].filter(Boolean).join(' · ')}</span>} verb={t('approval.approve')} busy={act.isPending} onYes={() => act.mutate('approve')} />
      <Confirm open={asked === 'close'} onClose={() => ask(null)} title={t(runs ? 'approval.endAsk' : 'approval.closeAsk')} words={t(!runs ? 'approval.closeWords' : r.log ? 'approval.endLog' : 'approval.endWords')} verb={t(runs ? 'approval.end' : mine ? 'approval.withdraw' : 'approval.refuse')} busy={act.isPending} onYes={() => act.mutate('close')} />
    </li>
  )
}

/** What it is for, in words. */
function scopeOf(r: Approval, account?: string): string[] {
  const long = t('approval.minutes', { count: r.minutes })
  if (!r.log) return [r.leads.length ? t('approval.scope', { count: r.leads.length }) : t('approval.project'), fieldsOf(r.fields), long]
  const { from, to, level, part, request } = r.log
  return [`${full(from)} – ${full(to)}`, t(`log.least.${level || 'info'}`), account ?? r.account_id ?? '', part, request, long].filter(Boolean)
}

function Ask({ onClose }: { onClose: () => void }) {
  const accounts = useAccounts().data ?? []
  const [kind, be] = useState<Approval['kind']>('break-glass')
  const [of, choose] = useState<string | null>(null)
  const [by, set] = useState<'ids' | 'project'>('ids')
  const [fields, open] = useState<readonly string[]>(['phone'])
  const [level, least] = useState<(typeof levels)[number]>('info')
  const [long, last] = useState('15')
  const [now] = useState(() => new Date())
  const logs = kind === 'logs'
  const account = of ?? (logs ? any : accounts[0]?.id) ?? null
  const send = useMutation({
    mutationFn: (f: FormData) => {
      const text = (name: string) => String(f.get(name) ?? '').trim()
      const at = (name: string) => new Date(text(name)).toISOString()
      const all = { kind, minutes: Number(long), purpose: text('why') }
      return ok(api.POST('/v1/operator/approvals', {
        body: logs
          ? { ...all, from: at('from'), to: at('to'), level, ...(account === any ? {} : { account_id: account! }), ...(text('request') && { request: text('request') }) }
          : { ...all, account_id: account!, fields: [...fields], ...(by === 'ids' ? { leads: idsIn(f.get('ids')) } : { project_id: text('project') }) },
      }))
    },
    onSuccess: () => {
      say(t('approval.isAsked'), { kind: 'good' })
      void queries.invalidateQueries({ queryKey: key })
      onClose()
    },
    onError: (e) => void formFault(e),
  })
  const wrong = send.isError ? faultOf(send.error).fields : {}
  const submit = (e: FormEvent<HTMLFormElement>) => {
    e.preventDefault()
    send.mutate(new FormData(e.currentTarget))
  }
  const named = accounts.map((a) => ({ value: a.id, label: a.name }))
  return (
    <form onSubmit={submit} className="grid gap-5">
      <Select label={t('approval.kind')} value={kind} onChange={be} choices={[{ value: 'break-glass', label: t('approval.ofLeads') }, { value: 'logs', label: t('log.title') }]} />
      <p className="text-sm text-soft">{t(logs ? 'log.words' : 'approval.ofLeadsWords')}</p>
      <Select label={t('approval.account')} value={account} onChange={choose} choices={logs ? [{ value: any, label: t('log.anyAccount') }, ...named] : named} />
      {logs ? (
        <>
          <Field name="from" type="datetime-local" required label={t('log.from')} defaultValue={localInput(new Date(now.getTime() - 3_600_000))} fault={wrong.from} />
          <Field name="to" type="datetime-local" required label={t('log.to')} defaultValue={localInput(new Date(now.getTime() + 60_000))} help={t('log.week')} fault={wrong.to} />
          <Select label={t('log.level')} value={level} onChange={least} choices={levels.map((l) => ({ value: l, label: t(`log.least.${l}`) }))} />
          <Field name="request" dir="ltr" autoComplete="off" maxLength={60} label={t('log.request')} help={t('log.requestHelp')} />
        </>
      ) : (
        <>
          <Select label={t('approval.which')} value={by} onChange={set} choices={[{ value: 'ids', label: t('approval.ids') }, { value: 'project', label: t('approval.ofProject') }]} />
          {by === 'ids' ? (
            <TextField name="ids" dir="ltr" required rows={3} label={t('grant.theLeads')} help={t('approval.idsHelp')} fault={wrong.leads} />
          ) : (
            <Field name="project" dir="ltr" required autoComplete="off" label={t('approval.projectId')} fault={wrong.project_id ?? wrong.project ?? wrong.leads} />
          )}
          <Fields words={t('approval.fields')} value={fields} onChange={open} />
        </>
      )}
      <Select label={t('approval.long')} value={long} onChange={last} choices={minutes.map((n) => ({ value: String(n), label: t('approval.minutes', { count: n }) }))} />
      <Field name="why" required maxLength={200} autoComplete="off" label={t('approval.why')} help={t(logs ? 'log.whyHelp' : 'approval.whyHelp')} fault={wrong.purpose} />
      <div className="flex justify-end gap-2">
        <Button type="button" look="quiet" onClick={onClose}>{t('common.cancel')}</Button>
        <Button type="submit" look="primary" disabled={!account || (!logs && fields.length === 0)} busy={send.isPending}>{t('approval.go')}</Button>
      </div>
    </form>
  )
}
