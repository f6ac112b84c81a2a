"""Texts that no redacted body may hold, planted wherever an instrumentation puts what was said.

The places are written down here from the senders' own documentation and from captured spans, apart
from the tables that the redaction goes by.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count, cycle, islice
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

MARK = "zqPlanted"  # how each planted text begins; no body has it by itself
# What the captured applications and their model server said.
SAID = ("Paris", "France", "Seine", "Lyon", "Oslo", "apital", "helpful", "Weather and time",
        "hello", "Rate limit", "18C")
_OF_CONTENT = """
    gen_ai.input.messages gen_ai.output.messages gen_ai.system_instructions gen_ai.prompt
    gen_ai.completion gen_ai.prompt.0.content gen_ai.completion.0.content
    gen_ai.prompt.0.tool_calls.0.arguments gen_ai.completion.0.reasoning
    gen_ai.completion.0.function_call.arguments gen_ai.tool.call.arguments
    gen_ai.tool.call.result gen_ai.tool.definitions gen_ai.tool.description gen_ai.tool.args
    gen_ai.tool.message gen_ai.retrieval.documents gen_ai.retrieval.query.text
    gen_ai.agent.description gen_ai.request.stop_sequences gen_ai.evaluation.explanation
    gen_ai.request.structured_output_schema gen_ai.task.input gen_ai.task.output
    gen_ai.prompt.variable.question gen_ai.embeddings.input gen_ai.something.nobody.knows
    llm.prompts llm.prompts.0.content llm.completions.0.content llm.content.prompt
    llm.input_messages.0.message.content llm.output_messages.0.message.content
    llm.input_messages.0.message.contents.0.message_content.text
    llm.input_messages.0.message.contents.0.message_content.image.image.url
    llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments
    llm.output_messages.0.message.function_call_arguments_json llm.function_call
    llm.invocation_parameters llm.tools.0.tool.json_schema llm.prompt_template.template
    llm.prompt_template.variables llm.openai.messages llm.openai.choices llm.None.input
    llm.None.output llm.anthropic.content llm.request.functions.0.description llm.nobody.knows
    input.value output.value embedding.text embedding.embeddings.0.embedding.text
    retrieval.documents retrieval.documents.0.document.content
    retrieval.documents.0.document.metadata reranker.query
    reranker.input_documents.0.document.content reranker.output_documents.0.document.content
    tool.description tool.parameters document.content message.content metadata tag.tags
    traceloop.entity.input traceloop.entity.output traceloop.prompt.template
    traceloop.prompt.template_variables.question
    traceloop.association.properties.note
    db.statement db.query.text db.query.parameter.0 db.query.result.0.document
    ai.prompt ai.prompt.messages ai.prompt.tools ai.response.text ai.response.object
    ai.response.reasoning ai.response.toolCalls ai.response.providerMetadata ai.toolCall.args
    ai.toolCall.result ai.value ai.values ai.documents ai.schema ai.telemetry.metadata.note
    ai.request.headers.authorization
    langfuse.observation.input langfuse.observation.output langfuse.trace.input
    langfuse.trace.output langfuse.observation.status_message
    langfuse.observation.metadata.note langfuse.trace.metadata.note
    langfuse.observation.model.parameters
    langsmith.metadata.LANGSMITH_ENDPOINT langsmith.metadata.OPENAI_BASE_URL
    langsmith.metadata.note langsmith.metadata.ls_invocation_params langsmith.span.tags
    mlflow.spanInputs mlflow.spanOutputs mlflow.chat.tools mlflow.chat.messages
    logfire.msg logfire.msg_template logfire.tags request_data response_data events
    all_messages_events pydantic_ai.all_messages final_result tool_arguments tool_response
    model_request_parameters agent.goal
    haystack.component.input haystack.component.output haystack.pipeline.input_data
    haystack.pipeline.output_data haystack.agent.input haystack.agent.output
    haystack.agent.step.llm.input haystack.agent.step.llm.output
    haystack.agent.step.tool.input haystack.agent.step.tool.output
    llamaindex.step.input_summary crew_tasks crew_inputs crew_agents task_output
    gcp.vertex.agent.llm_request gcp.vertex.agent.llm_response gcp.vertex.agent.data
    gcp.vertex.agent.tool_call_args gcp.vertex.agent.tool_response
    gen_ai.content.prompt gen_ai.content.completion user_prompt new_context tool_input
    spring.ai.chat.client.user.text spring.ai.tool.call.arguments spring.ai.tool.call.result
    spring.ai.vectorstore.query.content
    mcp.request.payload mcp.response.payload mcp.response.value mcp.tool.arguments
    mcp.error.message mcp.resource.uri
    exception.message exception.stacktrace error.message error.stack error.stack_trace error
    exception hidden_params metadata.requester_metadata metadata.spend_logs_metadata
    http.request.header.authorization http.request.body http.response.body url.query
    message message_context event_content body nobody.knows question vllm.prompt
    process.command_args process.command_line process.environment_variable.TOKEN
    container.command_args otel.status_description code.stacktrace
"""
_OF_USERS = """
    user.id user.name user.full_name user.email user.hash user enduser.id enduser.role
    gen_ai.user gen_ai.request.user gen_ai.conversation.id session.id mcp.session.id
    langfuse.user.id langfuse.session.id langsmith.metadata.user_id
    langsmith.metadata.session_id langsmith.metadata.thread_id
    langsmith.metadata.conversation_id traceloop.association.properties.user_id
    traceloop.association.properties.session_id traceloop.association.properties.thread_id
    ai.telemetry.metadata.userId ai.telemetry.metadata.sessionId
    ai.telemetry.metadata.threadId llm.user llm.openai.user mlflow.trace.user
    mlflow.trace.session spring.ai.chat.client.conversation.id gcp.vertex.agent.session_id
    metadata.user_api_key_end_user_id metadata.user_api_key_user_id
    metadata.user_api_key_user_email client.address net.peer.ip source.address customer.email
"""
CONTENT_KEYS, USER_KEYS = _OF_CONTENT.split(), _OF_USERS.split()
Text = Callable[[], str]
_SHAPES: tuple[Callable[[str], AnyValue], ...] = (
    lambda text: AnyValue(string_value=text),
    lambda text: AnyValue(string_value=f"He asked me about {text}, twice."),
    lambda text: AnyValue(string_value=f'{{"id": "{text}", "text": ["{text}"], "usage": '
                                       f'{{"input_tokens": "{text}"}}, "user": "{text}"}}'),
    lambda text: AnyValue(string_value=f"{{'stop_reason': '{text}', 'content': '{text}'}}"),
    lambda text: AnyValue(bytes_value=text.encode()),
    lambda text: _listed(AnyValue(string_value=text)),
    lambda text: _mapped("text", AnyValue(string_value=text)),
    lambda text: _mapped(text, _listed(_mapped("x", AnyValue(bytes_value=text.encode())))),
)


def _listed(item: AnyValue) -> AnyValue:
    value = AnyValue()
    value.array_value.values.append(item)
    return value


def _mapped(key: str, item: AnyValue) -> AnyValue:
    value = AnyValue()
    value.kvlist_value.values.append(KeyValue(key=key, value=item))
    return value


def numbered() -> Text:
    """Texts, each another, which look like an identifier as much as like anything."""
    numbers = count(1)
    return lambda: f"{MARK}{next(numbers):05d}"


def plant_attributes(holders: list[Any], keys: list[str], number: int, text: Text) -> None:
    """So many attributes, in every shape that a value may have, over these spans or records."""
    places = zip(cycle(holders), cycle(keys), _in_turns(len(keys)), strict=False)
    for holder, key, shape in islice(places, number):
        holder.attributes.append(KeyValue(key=key, value=shape(text())))


def _in_turns(number: int) -> Iterator[Callable[[str], AnyValue]]:
    """The shapes, such that a key has the next one whenever all keys had theirs."""
    for round_ in count():
        for place in range(number):
            yield _SHAPES[(place + round_) % len(_SHAPES)]


def plant_where_said(message: Any, text: Text) -> int:
    """Plant a text beside every word that was said, wherever it stands; give their number."""
    planted = 0
    for field, value in message.ListFields():
        if field.type == field.TYPE_STRING and not field.is_repeated:
            for word in SAID:
                if word in value:
                    value = value.replace(word, word + text(), 1)
                    planted += 1
            setattr(message, field.name, value)
        elif field.message_type is not None:
            for inner in value if field.is_repeated else [value]:
                planted += plant_where_said(inner, text)
    return planted
